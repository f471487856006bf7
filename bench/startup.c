/* From start to ready, and what an idle server holds: the example box with
 * eight models on four emulated devices.
 *
 *     bench_startup [--json FILE] [--convergo PATH] [--box FILE] [--rounds N]
 *
 * Run it from the project's root. */
#include "bench/result.h"
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_ROUNDS 31

static double now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static pid_t start(const char *program, const char *box, FILE **out)
{
    int ends[2];
    if (pipe(ends) != 0) {
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(ends[1], STDOUT_FILENO);
        if (freopen("/dev/null", "w", stderr) == NULL) {
            _exit(127);
        }
        (void)execl(program, program, "serve", box, "--http", "127.0.0.1:0",
                    "--metrics", "off", (char *)NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    *out = fdopen(ends[0], "r");
    return pid;
}

static double resident_mib(pid_t pid)
{
    char path[64];
    char line[256];
    double kib = NAN;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            kib = strtod(line + 6, NULL);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return kib / 1024;
}

/* False: it never became ready. */
static bool measure(const char *program, const char *box, double *ready_ms,
                    double *rss_mib)
{
    char line[256] = "";
    FILE *out = NULL;
    double begun = now_ms();
    pid_t pid = start(program, box, &out);
    bool ready = pid > 0 && out != NULL &&
                 fgets(line, sizeof line, out) != NULL &&
                 strstr(line, "ready") != NULL;
    *ready_ms = now_ms() - begun;
    if (ready) {
        (void)usleep(300000);
        *rss_mib = resident_mib(pid);
    }
    if (pid > 0) {
        (void)kill(pid, SIGTERM);
        (void)waitpid(pid, NULL, 0);
    }
    if (out != NULL) {
        (void)fclose(out);
    }
    return ready;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, by_value);
    return values[n / 2];
}

int main(int argc, char **argv)
{
    const char *program =
        bench_option(argc, argv, "--convergo", "build/convergo");
    const char *box =
        bench_option(argc, argv, "--box", "examples/xavier-nx-coral/box.yaml");
    int rounds =
        (int)strtol(bench_option(argc, argv, "--rounds", "7"), NULL, 10);
    double ready_ms[MAX_ROUNDS];
    double rss_mib[MAX_ROUNDS];
    if (rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "bench_startup: --rounds 1 to %d\n", MAX_ROUNDS);
        return 2;
    }
    for (int i = 0; i < rounds; i++) {
        if (!measure(program, box, &ready_ms[i], &rss_mib[i])) {
            fprintf(stderr, "bench_startup: %s serve %s never became ready\n",
                    program, box);
            return 1;
        }
    }
    struct bench_result results[] = {
        {"ready_ms", median(ready_ms, rounds), "ms", NAN},
        {"idle_rss_mib", median(rss_mib, rounds), "MiB", NAN},
    };
    return bench_write(argc, argv, results, sizeof results / sizeof *results);
}
