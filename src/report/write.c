/* A report to its file: whole or not at all. */
#include "report/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 15 digits print a rounded number as it was meant (0.951, not 0.95099...). */
#define FLAGS (JSON_INDENT(2) | JSON_REAL_PRECISION(15))

static bool dump(const json_t *reports, FILE *file)
{
    return json_dumpf(reports, file, FLAGS) == 0 && fputc('\n', file) != EOF &&
           fflush(file) == 0;
}

static enum cvg_status cannot(struct cvg_error *err, const char *path)
{
    return cvg_fail(err, CVG_IO, "%s: cannot write the report: %s", path,
                    strerror(errno));
}

static enum cvg_status write_by(const char *temporary, const char *path,
                                const json_t *reports, struct cvg_error *err)
{
    FILE *file = fopen(temporary, "wex");
    if (file == NULL) {
        return cannot(err, path);
    }
    bool ok = dump(reports, file);
    ok = fclose(file) == 0 && ok;
    if (ok && rename(temporary, path) == 0) {
        return CVG_OK;
    }
    enum cvg_status status = cannot(err, path);
    unlink(temporary);
    return status;
}

enum cvg_status cvg_report_write(const char *path, const json_t *reports,
                                 struct cvg_error *err)
{
    if (strcmp(path, "-") == 0) {
        return dump(reports, stdout) ? CVG_OK : cannot(err, "standard output");
    }
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.%d.tmp", path, (int)getpid()) < 0) {
        return cvg_fail(err, CVG_NOMEM, "out of memory");
    }
    enum cvg_status status = write_by(temporary, path, reports, err);
    free(temporary);
    return status;
}
