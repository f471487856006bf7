/* The text of a file that is being read, and messages about places in it. */
#ifndef CVG_CONFIG_SOURCE_H
#define CVG_CONFIG_SOURCE_H

#include "config/config.h"

/* A YAML tree takes some 150 times the size of its text. */
#define CVG_YAML_LIMIT ((size_t)4 << 20)
#define CVG_CSV_LIMIT ((size_t)1 << 30)

struct cvg_source {        /* borrowed, both */
    const char *path;      /* as messages name it */
    struct cvg_error *err; /* may be NULL */
};

/* "path:line:column: ..." (just "path: ..." where the line is 0), made one
 * line without control characters. Returns CVG_CONFIG. */
enum cvg_status cvg__source_fail(const struct cvg_source *source,
                                 struct cvg_place at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum cvg_status cvg__source_nomem(const struct cvg_source *source);

/* The same text as a warning, if there is anyone to tell. */
void cvg__source_warn(const struct cvg_source *source,
                      const struct cvg_config_notes *notes, struct cvg_place at,
                      const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The files of one reading. The first may have no text: it is on disk. Alone,
 * it names files on disk; else all that it names are among the others. */
struct cvg_files {
    const struct cvg_config_file *items;
    size_t n;
    struct cvg_config_texts *keep; /* gets a copy of each; may be NULL */
};

/* The content of `path`, ended by a NUL that `size` does not count; owned by
 * the caller: free(). CVG_NOTFOUND: there is no such file. */
enum cvg_status cvg__read_file(const struct cvg_files *files, const char *path,
                               size_t limit, char **text, size_t *size,
                               struct cvg_error *err);

/* `name` as seen from the file `base`; owned by the caller: free(). NULL: no
 * memory. */
char *cvg__resolve_path(const char *base, const char *name);

/* CVG_CONFIG where the text is no UTF-8 or holds control characters. */
enum cvg_status cvg__check_text(const struct cvg_source *source,
                                const char *text, size_t size);

#endif
