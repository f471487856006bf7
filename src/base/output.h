/* A file that we write: whole, or as it was.
 *
 * What is written goes to a temporary file beside it, which takes its place at
 * the end, so that a reader never sees half of it and a run that fails leaves
 * the old one alone. "-" is standard output; what is there and no plain file (a
 * pipe, a terminal, /dev/null) is written as it stands. */
#ifndef CVG_BASE_OUTPUT_H
#define CVG_BASE_OUTPUT_H

#include <convergo/status.h>
#include <stdbool.h>
#include <stdio.h>

struct cvg_output {
    FILE *file;      /* write here; NULL: it is not open */
    char *path;      /* as given; owned */
    char *temporary; /* owned; NULL: written as it stands */
};

/* Opens it; nothing that a reader of `path` sees has changed. CVG_IO names the
 * path and why. */
enum cvg_status cvg_output_open(struct cvg_output *output, const char *path,
                                struct cvg_error *err);
/* Writes out what is left and puts the file in its place. It is closed after
 * that, whether or not all went well. */
enum cvg_status cvg_output_commit(struct cvg_output *output,
                                  struct cvg_error *err);
/* Closes it and leaves what was there; nothing if it is not open. */
void cvg_output_abandon(struct cvg_output *output);

/* Would writing one change the other? The same path, or the same plain file. */
bool cvg_same_file(const char *a, const char *b);

#endif
