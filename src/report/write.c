/* A report to its file: whole or not at all. */
#include "report/report.h"

/* 15 digits print a rounded number as it was meant (0.951, not 0.95099...). */
#define FLAGS (JSON_INDENT(2) | JSON_REAL_PRECISION(15))

bool cvg_report_print(FILE *out, const json_t *reports)
{
    return json_dumpf(reports, out, FLAGS) == 0 && fputc('\n', out) != EOF;
}

enum cvg_status cvg_report_write(const char *path, const json_t *reports,
                                 struct cvg_error *err)
{
    struct cvg_output output;
    enum cvg_status status = cvg_output_open(&output, path, err);
    if (status != CVG_OK) {
        return status;
    }
    if (!cvg_report_print(output.file, reports) && ferror(output.file) == 0) {
        cvg_output_abandon(&output);
        return cvg_fail(err, CVG_NOMEM, "%s: out of memory for it", path);
    }
    return cvg_output_commit(&output, err);
}
