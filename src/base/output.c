/* A file that is written whole or not at all. */
#include "base/output.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum cvg_status cannot(const char *path, struct cvg_error *err)
{
    return cvg_fail(err, CVG_IO, "%s: cannot be written: %s",
                    strcmp(path, "-") == 0 ? "standard output" : path,
                    strerror(errno));
}

static bool is_special(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && !S_ISREG(s.st_mode);
}

static FILE *open_file(struct cvg_output *o)
{
    if (strcmp(o->path, "-") == 0) {
        return stdout;
    }
    if (is_special(o->path)) {
        return fopen(o->path, "we");
    }
    if (asprintf(&o->temporary, "%s.%d.tmp", o->path, (int)getpid()) < 0) {
        o->temporary = NULL;
        errno = ENOMEM;
        return NULL;
    }
    return fopen(o->temporary, "wex");
}

static void forget(struct cvg_output *o)
{
    free(o->temporary);
    free(o->path);
    *o = (struct cvg_output){.file = NULL};
}

enum cvg_status cvg_output_open(struct cvg_output *o, const char *path,
                                struct cvg_error *err)
{
    *o = (struct cvg_output){.path = strdup(path)};
    if (o->path == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for a name");
    }
    o->file = open_file(o);
    if (o->file == NULL) {
        enum cvg_status status = cannot(path, err);
        forget(o);
        return status;
    }
    return CVG_OK;
}

static bool finish(const struct cvg_output *o)
{
    bool ok = fflush(o->file) == 0 && ferror(o->file) == 0;
    return o->file == stdout ? ok : fclose(o->file) == 0 && ok;
}

enum cvg_status cvg_output_commit(struct cvg_output *o, struct cvg_error *err)
{
    enum cvg_status status = CVG_OK;
    if (!finish(o) ||
        (o->temporary != NULL && rename(o->temporary, o->path) != 0)) {
        status = cannot(o->path, err);
        if (o->temporary != NULL) {
            unlink(o->temporary);
        }
    }
    forget(o);
    return status;
}

void cvg_output_abandon(struct cvg_output *o)
{
    if (o->file == NULL) {
        return;
    }
    (void)finish(o);
    if (o->temporary != NULL) {
        unlink(o->temporary);
    }
    forget(o);
}

bool cvg_same_file(const char *a, const char *b)
{
    struct stat of_a, of_b;
    return strcmp(a, b) == 0 ||
           (stat(a, &of_a) == 0 && stat(b, &of_b) == 0 &&
            S_ISREG(of_a.st_mode) && of_a.st_dev == of_b.st_dev &&
            of_a.st_ino == of_b.st_ino);
}
