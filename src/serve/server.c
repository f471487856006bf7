/* The server's life: open, load, serve, drain, close. */
#include "serve/server.h"

#include "config/config.h"
#include "serve/http.h"
#include "serve/log.h"
#include "serve/notify.h"
#include "serve/table.h"
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

void cvg_serve_default(struct cvg_serve_options *options)
{
    *options = (struct cvg_serve_options){.seed = 1, .exit_timeout = CVG_S(30)};
    cvg__limits_default(&options->limits);
}

/* --- the alarm: when the engine wants to be called again ------------------ */

/* Timers of the loop count milliseconds; deadlines are often a few of them. An
 * alarm that comes too early costs one empty step, so it is only ever moved
 * forward. */
static void set_alarm(struct cvg__server *s)
{
    cvg_time wake = cvg_engine_next_wake(s->engine);
    if (wake >= s->alarm_at) {
        return;
    }
    cvg_time at = wake < 1 ? 1 : wake; /* 0 would turn it off */
    struct itimerspec spec = {
        .it_value = {.tv_sec = at / CVG_S(1), .tv_nsec = at % CVG_S(1)}};
    (void)timerfd_settime(s->alarm_fd, TFD_TIMER_ABSTIME, &spec, NULL);
    s->alarm_at = wake;
}

/* After whatever woke the loop: answers go out, the next alarm is set. */
static void settle(struct cvg__server *s)
{
    cvg__http_flush(s);
    cvg__drive_inbox(s);
    cvg__http_flush(s);
    set_alarm(s);
}

static void on_alarm(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct cvg__server *s = poll->data;
    uint64_t times;
    if (read(s->alarm_fd, &times, sizeof times) < 0 && errno == EAGAIN) {
        return;
    }
    s->alarm_at = CVG_NEVER;
    if (cvg_engine_next_wake(s->engine) <= cvg__now()) {
        cvg__drive(s, &(struct cvg_event){.type = CVG_EV_TIMER});
    }
    settle(s);
}

/* --- starting and stopping ------------------------------------------------ */

static void become_ready(struct cvg__server *s)
{
    if (s->state != CVG__STARTING || s->loading > 0) {
        return;
    }
    s->state = CVG__SERVING;
    cvg__log(s->load_errors > 0 || s->device_errors ? 'W' : 'I',
             "event=ready start_ms=%.0f load_errors=%zu ready=%s",
             (double)(cvg__now() - s->began) / 1e6, s->load_errors,
             cvg__server_ready(s) ? "true" : "false");
    printf("convergo: ready");
    for (size_t i = 0; i < s->n_listeners; i++) {
        const struct cvg__listener *l = &s->listeners[i];
        if (l->address[0] != '\0') {
            printf(" %s=%s", l->metrics ? "metrics" : "http", l->address);
        } else {
            printf(" socket=%s", s->socket_path);
        }
    }
    printf(" pid=%ld\n", (long)getpid());
    (void)fflush(stdout);
    cvg__notify("READY=1");
}

static void drain(struct cvg__server *s, const char *why)
{
    s->state = CVG__DRAINING;
    s->stop_at = cvg__now() + s->options->exit_timeout;
    cvg__log('I', "event=drain reason=%s calls=%zu live=%zu", why, s->n_open,
             cvg_engine_live(s->engine));
    cvg__notify("STOPPING=1");
    cvg__drive(s, &(struct cvg_event){.type = CVG_EV_DRAIN});
    cvg__http_stop_accepting(s);
    settle(s);
}

static void stop(struct cvg__server *s)
{
    s->state = CVG__STOPPING;
    s->lost = s->n_open;
    uv_stop(&s->loop);
}

/* Nobody is owed an answer: done. What a device still runs, or hangs in, is for
 * calls that have been answered or cancelled. */
static void check_drained(struct cvg__server *s)
{
    if (s->state != CVG__DRAINING) {
        return;
    }
    if (s->n_open == 0) {
        stop(s);
    } else if (cvg__now() >= s->stop_at) {
        cvg__log('E', "event=drain_timeout calls=%zu live=%zu", s->n_open,
                 cvg_engine_live(s->engine));
        stop(s);
    }
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct cvg__server *s = signal->data;
    const char *name = number == SIGINT ? "SIGINT" : "SIGTERM";
    if (s->state == CVG__DRAINING) {
        cvg__log('W', "event=stop reason=%s calls=%zu", name, s->n_open);
        stop(s);
    } else if (s->state != CVG__STOPPING) {
        drain(s, name);
        check_drained(s);
    }
}

static void on_wake(uv_async_t *async)
{
    struct cvg__server *s = async->data;
    cvg__drive_inbox(s);
    cvg__planner_take(s);
    become_ready(s);
    settle(s);
    check_drained(s);
}

static void on_watch(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct cvg__server *s = poll->data;
    cvg__http_watch(s);
    settle(s);
}

static void on_tick(uv_timer_t *timer)
{
    struct cvg__server *s = timer->data;
    cvg__notify("WATCHDOG=1");
    cvg__repository_check(s);
    cvg__record_tick(s);
    cvg__http_sweep(s);
    settle(s);
    check_drained(s);
}

static void on_again(uv_idle_t *idle)
{
    settle(idle->data);
}

void cvg__server_again(struct cvg__server *s, bool again)
{
    if (again == s->again_on || !s->handles_ready) {
        return;
    }
    s->again_on = again;
    if (again) {
        (void)uv_idle_start(&s->again, on_again);
    } else {
        (void)uv_idle_stop(&s->again);
    }
}

void cvg__server_settle(struct cvg__server *s)
{
    settle(s);
    check_drained(s);
}

/* --- opening -------------------------------------------------------------- */

static enum cvg_status open_handles(struct cvg__server *s,
                                    struct cvg_error *err)
{
    s->alarm_at = CVG_NEVER;
    s->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    s->watch_fd = epoll_create1(EPOLL_CLOEXEC);
    if (s->alarm_fd < 0 || s->watch_fd < 0 || uv_loop_init(&s->loop) != 0) {
        return cvg_fail(err, CVG_IO, "cannot open the event loop: %s",
                        strerror(errno));
    }
    s->loop_ready = true;
    if (uv_async_init(&s->loop, &s->wake, on_wake) != 0 ||
        uv_poll_init(&s->loop, &s->alarm, s->alarm_fd) != 0 ||
        uv_poll_init(&s->loop, &s->watch, s->watch_fd) != 0 ||
        uv_timer_init(&s->loop, &s->tick) != 0 ||
        uv_idle_init(&s->loop, &s->again) != 0 ||
        uv_signal_init(&s->loop, &s->signals[0]) != 0 ||
        uv_signal_init(&s->loop, &s->signals[1]) != 0) {
        return cvg_fail(err, CVG_IO, "cannot set up the event loop");
    }
    s->handles_ready = true;
    s->wake.data = s->alarm.data = s->watch.data = s->tick.data = s;
    s->again.data = s->signals[0].data = s->signals[1].data = s;
    (void)uv_poll_start(&s->alarm, UV_READABLE, on_alarm);
    (void)uv_poll_start(&s->watch, UV_READABLE, on_watch);
    (void)uv_timer_start(&s->tick, on_tick, 1000, 1000);
    /* There is nothing to read again yet; to die of it would lose work. */
    (void)signal(SIGHUP, SIG_IGN);
    (void)uv_signal_start(&s->signals[0], on_signal, SIGTERM);
    (void)uv_signal_start(&s->signals[1], on_signal, SIGINT);
    return CVG_OK;
}

static const char *choose(const char *flag, const char *box,
                          const char *otherwise)
{
    return flag != NULL ? flag : box != NULL ? box : otherwise;
}

static enum cvg_status listen_all(struct cvg__server *s, struct cvg_error *err)
{
    const struct cvg_serve_options *o = s->options;
    const struct cvg_server_settings *b = &s->box->server;
    const char *http = choose(o->http, b->http, CVG_SERVE_HTTP);
    const char *metrics = choose(o->metrics, b->metrics, CVG_SERVE_METRICS);
    enum cvg_status status = CVG_OK;
    if (strcmp(http, "off") != 0) {
        status = cvg__http_listen(s, http, false, err);
    }
    if (status == CVG_OK && strcmp(metrics, "off") != 0) {
        status = cvg__http_listen(s, metrics, true, err);
    }
    s->socket_path = choose(o->socket, b->socket, NULL);
    if (status == CVG_OK && s->socket_path != NULL) {
        status = cvg__http_listen(s, s->socket_path, false, err);
    }
    return status;
}

static enum cvg_status open_engine(struct cvg__server *s, struct cvg_error *err)
{
    struct cvg_engine_options options = {.box = s->box,
                                         .policy = &s->policy,
                                         .seed = s->options->seed,
                                         .start = s->began,
                                         .measure_from = s->began,
                                         .measure_until = CVG_NEVER};
    s->decision = cvg_histogram_create();
    if (s->decision == NULL) {
        return cvg_fail(err, CVG_NOMEM, "no memory for a histogram");
    }
    return cvg_engine_create(&options, &s->engine, err);
}

static enum cvg_status open_policy(struct cvg__server *s, struct cvg_error *err)
{
    const char *name = s->box->policy.name;
    s->policy_text = s->options->policy != NULL ? s->options->policy
                     : name != NULL             ? name
                                                : "convergo";
    return cvg_policy_on_box(s->box, s->options->policy, &s->policy, err);
}

static void log_warning(void *none, const char *message)
{
    (void)none;
    cvg__log('W', "event=box_warning text=\"%s\"", message);
}

static enum cvg_status open_box(struct cvg__server *s,
                                struct cvg_config_texts *texts,
                                struct cvg_error *err)
{
    const struct cvg_config_notes notes = {.warn = log_warning};
    enum cvg_status status = cvg_config_load_box_texts(
        s->options->box, 0, &notes, &s->box, texts, err);
    return status != CVG_OK ? status : cvg_config_check_models(s->box, err);
}

static enum cvg_status open_all(struct cvg__server *s,
                                struct cvg_config_texts *texts,
                                struct cvg_error *err)
{
    enum cvg_status status = open_box(s, texts, err);
    status = status != CVG_OK ? status : open_policy(s, err);
    status = status != CVG_OK ? status : open_handles(s, err);
    /* Addresses first: that one is taken should not cost a load. Connections
     * wait in the backlog until the loop runs. */
    status = status != CVG_OK ? status : listen_all(s, err);
    status = status != CVG_OK ? status : open_engine(s, err);
    status = status != CVG_OK ? status : cvg__planner_open(s, err);
    status = status != CVG_OK ? status : cvg__record_open(s, texts, err);
    status = status != CVG_OK ? status : cvg__devices_open(s, err);
    status = status != CVG_OK ? status : cvg__models_open(s, err);
    if (status == CVG_OK) {
        cvg__table_print(s);
        cvg__devices_load(s);
        become_ready(s);
    }
    return status;
}

/* --- closing -------------------------------------------------------------- */

static void close_handle(uv_handle_t *handle, void *none)
{
    (void)none;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

/* Devices first: their threads post to the loop. */
static void close_all(struct cvg__server *s, bool ran)
{
    if (s->loop_ready) {
        cvg__http_close(s);
    }
    cvg__devices_close(s);
    if (s->engine != NULL && s->models != NULL) {
        cvg__drive_inbox(s); /* what the devices gave back at the end */
    }
    cvg__planner_close(s); /* the engine may have asked until here */
    cvg__record_close(s, ran);
    if (s->loop_ready) {
        uv_walk(&s->loop, close_handle, NULL);
        (void)uv_run(&s->loop, UV_RUN_DEFAULT);
        (void)uv_loop_close(&s->loop);
    }
    if (s->alarm_fd >= 0) {
        (void)close(s->alarm_fd);
    }
    if (s->watch_fd >= 0) {
        (void)close(s->watch_fd);
    }
    if (s->socket_path != NULL && s->n_listeners > 0 &&
        s->listeners[s->n_listeners - 1].address[0] == '\0') {
        (void)unlink(s->socket_path);
    }
    cvg__models_close(s);
    cvg__devices_free(s);
    cvg__drive_fini(s);
    cvg__call_pool_fini(&s->pool);
    (void)pthread_mutex_destroy(&s->inbox.lock);
    cvg_engine_destroy(s->engine);
    cvg_shared_sets_fini(&s->sets);
    cvg_histogram_destroy(s->decision);
    cvg_box_destroy(s->box);
}

/* Tensors of some hundred KiB come and go with each request. By default the C
 * library gives such memory back to the system at once and asks for it again:
 * page faults cost more than the request. */
static void keep_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 4 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 32 << 20);
}

enum cvg_status cvg_serve(const struct cvg_serve_options *options,
                          struct cvg_error *err)
{
    keep_memory();
    struct cvg__server *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return cvg_fail(err, CVG_NOMEM, "no memory for a server");
    }
    s->options = options;
    s->oip_limits = cvg__limits_oip(&options->limits);
    s->began = cvg__now();
    s->alarm_fd = s->watch_fd = -1;
    enum cvg_status status = cvg__inbox_init(&s->inbox, err);
    if (status == CVG_OK) {
        struct cvg_config_texts texts = {0};
        status = open_all(s, &texts, err);
        cvg_config_texts_free(&texts);
        if (status == CVG_OK) {
            (void)uv_run(&s->loop, UV_RUN_DEFAULT);
        }
        uint64_t lost = s->lost;
        close_all(s, status == CVG_OK);
        if (status == CVG_OK) {
            cvg__log(lost > 0 ? 'W' : 'I', "event=stopped lost=%llu",
                     (unsigned long long)lost);
            status = lost == 0 ? CVG_OK
                               : cvg_fail(err, CVG_LOST,
                                          "%llu requests were not finished",
                                          (unsigned long long)lost);
        }
    }
    free(s);
    return status;
}
