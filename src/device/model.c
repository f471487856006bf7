/* The model of one emulated device.
 *
 * Work left is kept in 1/65536 ns and brought up to date only when the speed
 * changes (a batch begins or ends, a slowdown), never when somebody asks, so
 * that rounding cannot depend on the caller. Products are 128 bits wide. */
#include "device/model.h"

#include "base/rng.h"
#include "domain/cache.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef __int128 wide;

#define WORK_PER_NS 65536    /* a power of two: dividing by it is a shift */
#define FULL_SPEED 1000000   /* slowdown 1, in millionths */
#define SLOWEST 1000         /* slowdown; both keep time within 64 bits */
#define LONGEST CVG_S(86400) /* work of one batch */

enum job_state { WAITING, RUNNING, ENDED };

struct job {
    enum job_state state;
    struct cvg_model_done done; /* filled in as it goes */
    int64_t left;               /* work, once running */
};

struct unit {
    struct cvg_unit_cache cache;
    cvg_time at;   /* instant at which `left` of the running jobs is true */
    cvg_time next; /* the earliest completion, popped or not; CVG_NEVER */
    uint32_t n_jobs, n_running;
    struct job jobs[CVG_MAX_IN_FLIGHT]; /* in the order of submission */
};

struct cvg_device_model {
    const struct cvg_box *box;
    uint32_t device;
    uint32_t n_units;
    bool shares; /* processor-sharing */
    uint64_t seed;
    uint64_t submitted; /* numbers the batches */
    int64_t slowdown;   /* millionths */
    cvg_time next;      /* the least of the units' */
    uint32_t running;   /* over all units */
    struct unit units[];
};

enum cvg_status cvg_device_model_create(const struct cvg_box *box,
                                        uint32_t device, uint64_t seed,
                                        struct cvg_device_model **out,
                                        struct cvg_error *err)
{
    const struct cvg_device *d = &box->devices[device];
    struct cvg_device_model *m =
        calloc(1, sizeof *m + d->units * sizeof m->units[0]);
    if (m == NULL) {
        return cvg_fail(err, CVG_NOMEM, "out of memory for device %s", d->name);
    }
    m->box = box;
    m->device = device;
    m->n_units = d->units;
    m->shares = d->discipline == CVG_PROCESSOR_SHARING;
    m->seed = seed;
    m->slowdown = FULL_SPEED;
    m->next = CVG_NEVER;
    for (uint32_t u = 0; u < m->n_units; u++) {
        cvg_unit_cache_init(&m->units[u].cache, box, device);
        m->units[u].next = CVG_NEVER;
    }
    *out = m;
    return CVG_OK;
}

void cvg_device_model_destroy(struct cvg_device_model *m)
{
    free(m);
}

bool cvg_device_model_preset(struct cvg_device_model *m, uint32_t variant)
{
    bool fits = true;
    for (uint32_t u = 0; u < m->n_units; u++) {
        fits = cvg_unit_cache_preset(&m->units[u].cache, variant) && fits;
    }
    return fits;
}

/* --- the course of time within a unit ------------------------------------- */

/* The time that `work` takes at the unit's present speed, to the nearest ns. */
static cvg_span time_of(const struct cvg_device_model *m,
                        const struct unit *unit, int64_t work)
{
    int64_t divisor = unit->n_running * m->slowdown;
    if (divisor == FULL_SPEED) { /* the same, without a wide division */
        return (work + WORK_PER_NS / 2) / WORK_PER_NS;
    }
    const wide scale = (wide)WORK_PER_NS * FULL_SPEED;
    return (cvg_span)(((wide)work * divisor + scale / 2) / scale);
}

/* The work that each running job gets done in `time`. */
static int64_t work_in(const struct cvg_device_model *m,
                       const struct unit *unit, cvg_span time)
{
    int64_t divisor = unit->n_running * m->slowdown;
    if (divisor == FULL_SPEED) {
        return time * WORK_PER_NS;
    }
    return (int64_t)((wide)time * WORK_PER_NS * FULL_SPEED / divisor);
}

/* Brings `left` of the running jobs up to `t`. */
static void advance(const struct cvg_device_model *m, struct unit *unit,
                    cvg_time t)
{
    if (unit->n_running > 0 && t > unit->at) {
        int64_t work = work_in(m, unit, t - unit->at);
        for (uint32_t k = 0; k < unit->n_jobs; k++) {
            struct job *job = &unit->jobs[k];
            if (job->state == RUNNING) {
                job->left = job->left > work ? job->left - work : 0;
            }
        }
    }
    unit->at = t;
}

/* The running job that ends first, the first submitted of equals. */
static struct job *shortest(struct unit *unit)
{
    struct job *best = NULL;
    for (uint32_t k = 0; k < unit->n_jobs; k++) {
        struct job *job = &unit->jobs[k];
        if (job->state == RUNNING && (best == NULL || job->left < best->left)) {
            best = job;
        }
    }
    return best;
}

static cvg_time next_end(const struct cvg_device_model *m, struct unit *unit)
{
    const struct job *job = shortest(unit);
    return job == NULL ? CVG_NEVER : unit->at + time_of(m, unit, job->left);
}

static void begin(struct cvg_device_model *m, struct unit *unit,
                  struct job *job, cvg_time t)
{
    job->state = RUNNING;
    job->done.begun = t;
    job->done.switch_time = cvg_unit_cache_use(&unit->cache, job->done.variant);
    job->done.switched = job->done.switch_time > 0;
    cvg_span work = job->done.switch_time + job->done.service;
    job->left = (work < LONGEST ? work : LONGEST) * WORK_PER_NS;
    unit->n_running++;
    m->running++;
}

/* Begins what may run; the unit is up to date at `t`. */
static void begin_waiting(struct cvg_device_model *m, struct unit *unit,
                          cvg_time t)
{
    for (uint32_t k = 0; k < unit->n_jobs; k++) {
        if (unit->jobs[k].state == WAITING &&
            (m->shares || unit->n_running == 0)) {
            begin(m, unit, &unit->jobs[k], t);
        }
    }
}

static void end(struct cvg_device_model *m, struct unit *unit, struct job *job,
                cvg_time t)
{
    job->state = ENDED;
    job->done.finished = t;
    unit->n_running--;
    m->running--;
}

/* Lets every completion up to `now` happen, each at its own instant. */
static void settle_unit(struct cvg_device_model *m, struct unit *unit,
                        cvg_time now)
{
    for (cvg_time t = next_end(m, unit); t <= now; t = next_end(m, unit)) {
        struct job *job = shortest(unit);
        if (job == NULL) {
            break; /* idle, and `now` is CVG_NEVER */
        }
        advance(m, unit, t);
        end(m, unit, job, t);
        begin_waiting(m, unit, t);
    }
}

static void refresh_unit(struct cvg_device_model *m, struct unit *unit)
{
    cvg_time next = next_end(m, unit);
    for (uint32_t k = 0; k < unit->n_jobs; k++) {
        const struct job *job = &unit->jobs[k];
        if (job->state == ENDED && job->done.finished < next) {
            next = job->done.finished;
        }
    }
    unit->next = next;
}

static void refresh(struct cvg_device_model *m)
{
    m->next = CVG_NEVER;
    for (uint32_t u = 0; u < m->n_units; u++) {
        if (m->units[u].next < m->next) {
            m->next = m->units[u].next;
        }
    }
}

static void settle(struct cvg_device_model *m, cvg_time now)
{
    if (m->next > now) {
        return;
    }
    for (uint32_t u = 0; u < m->n_units; u++) {
        if (m->units[u].next <= now) {
            settle_unit(m, &m->units[u], now);
            refresh_unit(m, &m->units[u]);
        }
    }
    refresh(m);
}

/* --- what the caller does ------------------------------------------------- */

static cvg_span draw_service(const struct cvg_device_model *m,
                             const struct cvg_model_batch *batch)
{
    struct cvg_rng rng;
    cvg_rng_init(&rng, m->seed, m->device, m->submitted);
    cvg_span sum = 0;
    if (batch->n == 0) {
        return 0; /* it only switches */
    }
    for (uint32_t stage = batch->first; stage <= batch->last; stage++) {
        sum += cvg_profile_draw(m->box->profile, batch->variant, stage,
                                m->device, batch->n, cvg_rng_uniform(&rng));
    }
    return sum;
}

void cvg_device_model_submit(struct cvg_device_model *m, cvg_time now,
                             const struct cvg_model_batch *batch)
{
    assert(batch->unit < m->n_units);
    settle(m, now);
    struct unit *unit = &m->units[batch->unit];
    assert(unit->n_jobs < m->box->devices[m->device].in_flight &&
           unit->n_jobs < CVG_MAX_IN_FLIGHT);
    unit->jobs[unit->n_jobs++] = (struct job){
        .state = WAITING,
        .done = {.id = batch->id,
                 .unit = batch->unit,
                 .variant = batch->variant,
                 .submitted = now,
                 .service = draw_service(m, batch)},
    };
    m->submitted++;
    if (m->shares || unit->n_running == 0) {
        advance(m, unit, now);
        begin_waiting(m, unit, now);
        refresh_unit(m, unit);
        refresh(m);
    }
}

cvg_time cvg_device_model_next(const struct cvg_device_model *m)
{
    return m->next;
}

static bool ended_before(const struct job *a, const struct job *b)
{
    return a->done.finished != b->done.finished
               ? a->done.finished < b->done.finished
               : a->done.id < b->done.id;
}

/* The ended job that comes out first, and its unit. */
static struct job *first_ended(struct cvg_device_model *m, struct unit **of)
{
    struct job *best = NULL;
    for (uint32_t u = 0; u < m->n_units; u++) {
        struct unit *unit = &m->units[u];
        for (uint32_t k = 0; unit->next == m->next && k < unit->n_jobs; k++) {
            struct job *job = &unit->jobs[k];
            if (job->state == ENDED &&
                (best == NULL || ended_before(job, best))) {
                best = job;
                *of = unit;
            }
        }
    }
    return best;
}

static void remove_job(struct unit *unit, struct job *job)
{
    size_t after = unit->n_jobs - 1 - (size_t)(job - unit->jobs);
    memmove(job, job + 1, after * sizeof *job);
    unit->n_jobs--;
}

bool cvg_device_model_pop(struct cvg_device_model *m, cvg_time now,
                          struct cvg_model_done *done)
{
    if (m->next > now || m->next == CVG_NEVER) {
        return false;
    }
    settle(m, now);
    struct unit *unit = NULL;
    struct job *job = first_ended(m, &unit);
    assert(job != NULL);
    *done = job->done;
    remove_job(unit, job);
    refresh_unit(m, unit);
    refresh(m);
    return true;
}

void cvg_device_model_set_slowdown(struct cvg_device_model *m, cvg_time now,
                                   double factor)
{
    int64_t slowdown = llround(fmin(factor, SLOWEST) * FULL_SPEED);
    settle(m, now);
    if (slowdown == m->slowdown) {
        return;
    }
    for (uint32_t u = 0; u < m->n_units; u++) {
        advance(m, &m->units[u], now);
    }
    m->slowdown = slowdown > 0 ? slowdown : 1;
    for (uint32_t u = 0; u < m->n_units; u++) {
        refresh_unit(m, &m->units[u]);
    }
    refresh(m);
}

static void lose_unit(struct unit *unit,
                      void (*lost)(void *context, uint64_t id), void *context)
{
    uint32_t kept = 0;
    for (uint32_t k = 0; k < unit->n_jobs; k++) {
        if (unit->jobs[k].state == ENDED) {
            unit->jobs[kept++] = unit->jobs[k];
        } else if (lost != NULL) {
            lost(context, unit->jobs[k].done.id);
        }
    }
    unit->n_jobs = kept;
    unit->n_running = 0;
    cvg_unit_cache_clear(&unit->cache);
}

void cvg_device_model_down(struct cvg_device_model *m, cvg_time now,
                           void (*lost)(void *context, uint64_t id),
                           void *context)
{
    settle(m, now);
    for (uint32_t u = 0; u < m->n_units; u++) {
        lose_unit(&m->units[u], lost, context);
        m->units[u].at = now;
        refresh_unit(m, &m->units[u]);
    }
    m->running = 0;
    refresh(m);
}

bool cvg_device_model_busy(const struct cvg_device_model *m)
{
    return m->running > 0;
}

uint32_t cvg_device_model_held(const struct cvg_device_model *m, uint32_t unit)
{
    return m->units[unit].n_jobs;
}

cvg_span cvg_device_model_load_time(const struct cvg_device_model *m,
                                    uint32_t variant)
{
    return cvg_profile_load(m->box->profile, variant, m->device);
}

static bool all_busy(const struct cvg_contention *group, const bool *busy,
                     uint32_t device)
{
    bool holds = false;
    for (size_t k = 0; k < group->n_devices; k++) {
        if (!busy[group->devices[k]]) {
            return false;
        }
        holds = holds || group->devices[k] == device;
    }
    return holds;
}

double cvg_contention_factor(const struct cvg_box *box, uint32_t device,
                             const bool *busy)
{
    double factor = 1;
    for (size_t k = 0; k < box->n_contention; k++) {
        if (all_busy(&box->contention[k], busy, device)) {
            factor *= box->contention[k].slowdown;
        }
    }
    return factor;
}
