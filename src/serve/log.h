/* Log lines for operators, on stderr: a level letter, UTC time, key=value. */
#ifndef CVG_SERVE_LOG_H
#define CVG_SERVE_LOG_H

/* I 2026-01-31T12:00:00.123Z event=drain reason=SIGTERM
 * `level` is 'I', 'W' or 'E'. One write per line. */
void cvg__log(char level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
