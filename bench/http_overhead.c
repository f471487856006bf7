/* What an infer call costs over HTTP: CPU time of the server per request,
 * against a server on the same libraries, set up the same way, that does
 * nothing.
 *
 *     bench_http_overhead [--json FILE] [--convergo PATH] [--requests N]
 *                         [--connections N] [--rounds N]
 *
 * The model is the identity: what is left is HTTP, the codec, the engine, the
 * hand-over to the device's thread and back, and one call into the runtime.
 * Rounds alternate between the two servers and the median of each is taken,
 * since the machine is shared.
 *
 * Measured twice: with the servers free to use all CPUs, and with each kept to
 * one. What lies between is what waking a thread on another CPU costs, which
 * depends on the machine: on a virtual one it can be more than all the rest. */
#include "bench/http_client.h"
#include "bench/identity_box.h"
#include "bench/result.h"
#include <ftw.h>
#include <microhttpd.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <uv.h>

#define LARGE 65536U
#define MAX_ROUNDS 15U
#define CASES 4U /* JSON, 64 KiB; the same on one CPU */

/* --- the server that does nothing ----------------------------------------- */

struct echo { /* a request's body */
    size_t n;
    struct echo *next;
    char body[LARGE + 1024];
};

static struct echo *pool;

static enum MHD_Result on_request(void *cls, struct MHD_Connection *http,
                                  const char *url, const char *method,
                                  const char *version, const char *data,
                                  size_t *size, void **context)
{
    (void)cls, (void)url, (void)method, (void)version;
    struct echo *e = *context;
    if (e == NULL) {
        e = pool != NULL ? pool : malloc(sizeof *e);
        if (e == NULL) {
            return MHD_NO;
        }
        pool = e == pool ? e->next : pool;
        e->n = 0;
        *context = e;
        return MHD_YES;
    }
    if (*size > 0) {
        size_t room = sizeof e->body - e->n;
        size_t n = *size < room ? *size : room;
        memcpy(e->body + e->n, data, n);
        e->n += n;
        *size = 0;
        return MHD_YES;
    }
    static char small[] = "{\"outputs\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}";
    struct MHD_Response *response =
        e->n < LARGE ? MHD_create_response_from_buffer(sizeof small - 1, small,
                                                       MHD_RESPMEM_PERSISTENT)
                     : MHD_create_response_from_buffer(LARGE, e->body,
                                                       MHD_RESPMEM_PERSISTENT);
    (void)MHD_add_response_header(response, "Content-Type", "application/json");
    enum MHD_Result result = MHD_queue_response(http, 200, response);
    MHD_destroy_response(response);
    return result;
}

static void on_completed(void *cls, struct MHD_Connection *http, void **context,
                         enum MHD_RequestTerminationCode why)
{
    (void)cls, (void)http, (void)why;
    struct echo *e = *context;
    if (e != NULL) {
        e->next = pool;
        pool = e;
    }
}

static uv_timer_t timer;

static void run_daemon(struct MHD_Daemon *daemon);

static void on_timer(uv_timer_t *t)
{
    run_daemon(t->data);
}

static void run_daemon(struct MHD_Daemon *daemon)
{
    MHD_UNSIGNED_LONG_LONG ms;
    (void)MHD_run(daemon);
    if (MHD_get_timeout(daemon, &ms) != MHD_YES) {
        (void)uv_timer_stop(&timer);
    } else if (ms == 0 || !uv_is_active((uv_handle_t *)&timer)) {
        (void)uv_timer_start(&timer, on_timer, ms, 0);
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    run_daemon(poll->data);
}

/* In a child; writes the port it got. */
static void serve_nothing(int out)
{
    static uv_poll_t poll;
    uv_loop_t *loop = uv_default_loop();
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL, 0, NULL, NULL, on_request, NULL, MHD_OPTION_SOCK_ADDR,
        &at, MHD_OPTION_CONNECTION_TIMEOUT, 75U, MHD_OPTION_CONNECTION_LIMIT,
        1024U, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
    if (daemon == NULL) {
        _exit(1);
    }
    unsigned port =
        MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    int epoll = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    (void)uv_timer_init(loop, &timer);
    (void)uv_poll_init(loop, &poll, epoll);
    timer.data = poll.data = daemon;
    (void)uv_poll_start(&poll, UV_READABLE, on_readable);
    (void)dprintf(out, "http=127.0.0.1:%u\n", port);
    (void)uv_run(loop, UV_RUN_DEFAULT);
    _exit(0);
}

/* --- servers as children -------------------------------------------------- */

struct server {
    pid_t pid;
    unsigned port;
    double cpu[2][MAX_ROUNDS]; /* us per request: JSON, 64 KiB */
};

/* Reads the port from the line that a server prints when it is ready. */
static int read_port(int in, struct server *s)
{
    char line[512];
    FILE *from = fdopen(in, "r");
    if (from == NULL || fgets(line, sizeof line, from) == NULL) {
        return 0;
    }
    const char *at = strstr(line, "http=127.0.0.1:");
    s->port = at == NULL ? 0 : (unsigned)strtoul(at + 15, NULL, 10);
    return s->port != 0; /* `from` stays open: a server may print more */
}

static void keep_to_one_cpu(void)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    (void)sched_setaffinity(0, sizeof one, &one);
}

static int start(struct server *s, const char *program, const char *box,
                 int one_cpu)
{
    int ends[2];
    if (pipe(ends) != 0) {
        return 0;
    }
    s->pid = fork();
    if (s->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)close(ends[0]);
        if (one_cpu) {
            keep_to_one_cpu();
        }
        if (program == NULL) {
            serve_nothing(ends[1]);
        }
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)freopen("/dev/null", "w", stderr);
        (void)execl(program, program, "serve", box, "--http", "127.0.0.1:0",
                    "--metrics", "off", (char *)NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    return s->pid > 0 && read_port(ends[0], s);
}

static void stop(struct server *s)
{
    if (s->pid > 0) {
        (void)kill(s->pid, SIGKILL);
        (void)waitpid(s->pid, NULL, 0);
    }
    s->pid = 0;
}

static double cpu_seconds(pid_t pid)
{
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(pid, &clock) != 0 ||
        clock_gettime(clock, &t) != 0) {
        return NAN;
    }
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- requests ------------------------------------------------------------- */

static char request[2][LARGE + 2048];
static size_t request_len[2];

static void make_requests(void)
{
    static const char json[] =
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,16],\"datatype\":\"FP32\","
        "\"data\":[0.1,0.25,1,2,3,4,5,6,7,8,9.5,10,11,12,13,14.75]}]}";
    static const char head[] =
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,16384],\"datatype\":"
        "\"FP32\",\"parameters\":{\"binary_data_size\":65536}}],"
        "\"parameters\":{\"binary_data_output\":true}}";
    request_len[0] = (size_t)snprintf(
        request[0], sizeof request[0],
        "POST /v2/models/small/infer HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
        sizeof json - 1, json);
    size_t n = (size_t)snprintf(
        request[1], sizeof request[1],
        "POST /v2/models/large/infer HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Type: application/octet-stream\r\n"
        "Inference-Header-Content-Length: %zu\r\nContent-Length: %zu\r\n\r\n"
        "%s",
        sizeof head - 1, sizeof head - 1 + LARGE, head);
    memset(request[1] + n, 0, LARGE);
    request_len[1] = n + LARGE;
}

static int measure(struct server *s, int large, unsigned connections,
                   unsigned long n, double *out)
{
    double before = cpu_seconds(s->pid);
    unsigned long failed =
        client_run(s->port, connections, request[large], request_len[large], n);
    *out = (cpu_seconds(s->pid) - before) / (double)n * 1e6;
    if (failed != 0) {
        fprintf(stderr, "bench_http_overhead: a request failed (%s)\n",
                large ? "64 KiB" : "JSON");
    }
    return failed == 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, unsigned n)
{
    qsort(values, n, sizeof *values, by_value);
    return values[n / 2];
}

static int run_rounds(struct server *nothing, struct server *convergo,
                      unsigned rounds, unsigned connections, unsigned long n)
{
    double warm;
    for (int large = 0; large < 2; large++) {
        unsigned long count = large ? n / 5 : n;
        int ok = measure(nothing, large, connections, count / 4, &warm) &&
                 measure(convergo, large, connections, count / 4, &warm);
        for (unsigned r = 0; ok && r < rounds; r++) {
            ok = measure(nothing, large, connections, count,
                         &nothing->cpu[large][r]) &&
                 measure(convergo, large, connections, count,
                         &convergo->cpu[large][r]);
        }
        if (!ok) {
            return 0;
        }
    }
    return 1;
}

static int remove_one(const char *path, const struct stat *st, int flag,
                      struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

int main(int argc, char **argv)
{
    static struct server nothing, convergo;
    char folder[] = "/tmp/convergo-bench-XXXXXX", box[64];
    const char *otherwise = getenv("CONVERGO");
    const char *program =
        bench_option(argc, argv, "--convergo",
                     otherwise != NULL ? otherwise : "build/convergo");
    unsigned long n =
        strtoul(bench_option(argc, argv, "--requests", "20000"), NULL, 10);
    unsigned connections = (unsigned)strtoul(
        bench_option(argc, argv, "--connections", "32"), NULL, 10);
    unsigned rounds =
        (unsigned)strtoul(bench_option(argc, argv, "--rounds", "5"), NULL, 10);
    if (n < 100 || connections < 1 || connections > CLIENT_CONNECTIONS ||
        rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "bench_http_overhead: --requests from 100, "
                        "--connections 1 to 64, --rounds 1 to 15\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    make_requests();
    if (mkdtemp(folder) == NULL || !write_identity_box(folder)) {
        fprintf(stderr, "bench_http_overhead: cannot write %s\n", folder);
        return 1;
    }
    (void)snprintf(box, sizeof box, "%s/box.yaml", folder);
    struct bench_result results[CASES] = {
        {.name = "http_json_cpu_us"},
        {.name = "http_binary64k_cpu_us"},
        {.name = "http_json_one_cpu_us"},
        {.name = "http_binary64k_one_cpu_us"},
    };
    int code = 0;
    for (int one_cpu = 0; one_cpu < 2 && code == 0; one_cpu++) {
        struct bench_result *out = &results[one_cpu * 2];
        if (!start(&nothing, NULL, NULL, one_cpu) ||
            !start(&convergo, program, box, one_cpu)) {
            fprintf(stderr, "bench_http_overhead: %s did not start\n", program);
            code = 1;
        } else if (!run_rounds(&nothing, &convergo, rounds, connections, n)) {
            code = 1;
        }
        for (int large = 0; large < 2 && code == 0; large++) {
            out[large].value = median(convergo.cpu[large], rounds);
            out[large].unit = "us";
            out[large].control = median(nothing.cpu[large], rounds);
        }
        stop(&nothing);
        stop(&convergo);
    }
    if (code == 0) {
        code = bench_write(argc, argv, results, CASES);
    }
    (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return code;
}
