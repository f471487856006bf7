/* Status texts and messages. */
#include <convergo/status.h>

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *text;
    int exit_code;
} statuses[] = {
#define STATUS(name, text, code) {text, code},
    CVG_STATUS_LIST(STATUS)
#undef STATUS
};

enum cvg_status cvg_fail(struct cvg_error *err, enum cvg_status status,
                         const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
        err->status = status;
    }
    return status;
}

const char *cvg_status_text(enum cvg_status status)
{
    return statuses[status].text;
}

int cvg_status_exit_code(enum cvg_status status)
{
    return statuses[status].exit_code;
}
