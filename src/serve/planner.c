/* The planner: a thread that makes plans, so that serving never waits for one.
 *
 * The engine asks for one plan at a time by an action; the answer comes back to
 * the loop as an event. A thread of low priority: the requests go first. */
#include "serve/server.h"

#include "serve/log.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NICE 10

struct cvg__planner {
    struct cvg__server *server;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t asked;
    bool ending;
    bool wanted; /* a question is there ... */
    bool made;   /* ... it is answered */
    struct cvg_question question;
    struct cvg_plan plan;
    struct cvg_error error;            /* CVG_OK: there is a plan */
    struct cvg__planner_counts counts; /* the loop's */
};

static void *make_plans(void *argument)
{
    struct cvg__planner *p = argument;
    const struct cvg__server *s = p->server;
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
    (void)pthread_mutex_lock(&p->lock);
    while (!p->ending) {
        if (!p->wanted || p->made) {
            (void)pthread_cond_wait(&p->asked, &p->lock);
            continue;
        }
        (void)pthread_mutex_unlock(&p->lock);
        struct cvg_error error = {.status = CVG_OK};
        error.status =
            s->policy.allocation->solve(s->box, &p->question, &p->plan, &error);
        (void)pthread_mutex_lock(&p->lock);
        p->error = error;
        p->made = true;
        (void)uv_async_send(&p->server->wake);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

enum cvg_status cvg__planner_open(struct cvg__server *s, struct cvg_error *err)
{
    if (s->policy.allocation->solve == NULL) {
        return CVG_OK; /* nobody will ask */
    }
    struct cvg__planner *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return cvg_fail(err, CVG_NOMEM, "no memory for the planner");
    }
    p->server = s;
    if (pthread_mutex_init(&p->lock, NULL) != 0 ||
        pthread_cond_init(&p->asked, NULL) != 0 ||
        pthread_create(&p->thread, NULL, make_plans, p) != 0) {
        free(p);
        return cvg_fail(err, CVG_NOMEM, "no thread for the planner");
    }
    s->planner = p;
    return CVG_OK;
}

void cvg__planner_ask(struct cvg__server *s,
                      const struct cvg_question *question)
{
    struct cvg__planner *p = s->planner;
    (void)pthread_mutex_lock(&p->lock);
    p->question = *question;
    p->wanted = true;
    p->made = false;
    (void)pthread_cond_signal(&p->asked);
    (void)pthread_mutex_unlock(&p->lock);
}

void cvg__planner_take(struct cvg__server *s)
{
    struct cvg__planner *p = s->planner;
    if (p == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&p->lock);
    bool made = p->wanted && p->made;
    p->wanted = p->wanted && !made;
    (void)pthread_mutex_unlock(&p->lock);
    if (!made) {
        return;
    }
    /* Until the next question the thread leaves the answer alone. */
    struct cvg_event event = {.type = CVG_EV_SOLVE_FAILED};
    if (p->error.status == CVG_OK) {
        event.type = CVG_EV_SOLVED;
        event.solved.answer = &p->plan;
        event.solved.size = sizeof p->plan;
        p->counts.made++;
    } else if (p->counts.failed++ ==
               0) { /* the last good plan stays in force */
        cvg__log('W', "event=plan_failed error=\"%s\"", p->error.text);
    }
    cvg__drive(s, &event);
}

struct cvg__planner_counts cvg__planner_counts(const struct cvg__server *s)
{
    return s->planner != NULL ? s->planner->counts
                              : (struct cvg__planner_counts){0};
}

void cvg__planner_close(struct cvg__server *s)
{
    struct cvg__planner *p = s->planner;
    if (p == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&p->lock);
    p->ending = true;
    (void)pthread_cond_signal(&p->asked);
    (void)pthread_mutex_unlock(&p->lock);
    (void)pthread_join(p->thread, NULL);
    (void)pthread_cond_destroy(&p->asked);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
    s->planner = NULL;
}
