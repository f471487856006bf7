/* Log lines: see log.h. */
#include "serve/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

void cvg__log(char level, const char *format, ...)
{
    char line[1024];
    struct timespec now;
    struct tm utc;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &utc);
    size_t n = (size_t)snprintf(line, sizeof line, "%c ", level);
    n += strftime(line + n, sizeof line - n, "%Y-%m-%dT%H:%M:%S", &utc);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03dZ ",
                          (int)(now.tv_nsec / 1000000));
    va_list args;
    va_start(args, format);
    int text = vsnprintf(line + n, sizeof line - n - 1, format, args);
    va_end(args);
    size_t room = sizeof line - n - 2;
    n += text < 0 ? 0 : (size_t)text < room ? (size_t)text : room;
    for (size_t i = 0; i < n; i++) {
        /* A name from outside must not forge a line of its own. */
        if ((unsigned char)line[i] < 0x20) {
            line[i] = ' ';
        }
    }
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, n) < 0) {
        return; /* nobody listens: nothing better can be done */
    }
}
