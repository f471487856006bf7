/* The measurements of `convergo profile`, and the rows that they make. */
#include "cli/profile.h"

#include "config/config.h"
#include "config/rows.h"
#include "device/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOADS 3U        /* of each variant; the median counts */
#define ANSWER_BATCH 8U /* items of the dataset at once */
#define CELL 32U        /* of a number */

/* --- progress ------------------------------------------------------------- */

static void say_progress(const struct cvg_profiling *p, const char *device,
                         const char *variant, const char *what)
{
    if (!p->talks) {
        return;
    }
    double spent = (double)(cvg_now() - p->begun) * 1e-9;
    double left = p->done == 0
                      ? 0
                      : spent / (double)p->done * (double)(p->total - p->done);
    fprintf(stderr, "\r\033[K[%zu/%zu] %s %s %s", p->done + 1, p->total, device,
            variant, what);
    if (p->done > 0) {
        fprintf(stderr, ", about %.0f s left", left);
    }
    fflush(stderr);
}

static void end_progress(const struct cvg_profiling *p)
{
    if (p->talks) {
        fprintf(stderr, "\r\033[K");
    }
}

/* --- results -------------------------------------------------------------- */

/* At most six decimals, none that say nothing: 0.0125, 3. */
static void print_number(char *out, size_t size, double value)
{
    snprintf(out, size, "%.6f", value);
    size_t n = strlen(out);
    while (n > 1 && out[n - 1] == '0') {
        out[--n] = '\0';
    }
    if (out[n - 1] == '.') {
        out[n - 1] = '\0';
    }
}

static enum cvg_status put_profile(struct cvg_profiling *p, size_t at,
                                   uint32_t device, uint32_t variant,
                                   uint32_t exit, uint32_t batch,
                                   const struct cvg_measured *m,
                                   cvg_span load_time, const char *switch_ms,
                                   struct cvg_error *err)
{
    char exit_text[CELL];
    char batch_text[CELL];
    char samples[CELL];
    char numbers[6][CELL];
    const double values[] = {(double)m->mean * 1e-6, (double)m->p50 * 1e-6,
                             (double)m->p95 * 1e-6,  (double)m->p99 * 1e-6,
                             m->energy_j * 1e3,      (double)load_time * 1e-6};
    for (size_t k = 0; k < 6; k++) {
        print_number(numbers[k], CELL, values[k]);
    }
    snprintf(exit_text, sizeof exit_text, "%u", exit);
    snprintf(batch_text, sizeof batch_text, "%u", batch);
    snprintf(samples, sizeof samples, "%u", m->samples);
    const char *const cells[CVG_PROFILE_COLUMNS] = {
        [CVG_PROFILE_VARIANT] = p->box->variants[variant].name,
        [CVG_PROFILE_EXIT] = exit_text,
        [CVG_PROFILE_DEVICE] = p->box->devices[device].profile,
        [CVG_PROFILE_BATCH] = batch_text,
        [CVG_PROFILE_MEAN] = numbers[0],
        [CVG_PROFILE_P50] = numbers[1],
        [CVG_PROFILE_P95] = numbers[2],
        [CVG_PROFILE_P99] = numbers[3],
        [CVG_PROFILE_ENERGY] = numbers[4],
        [CVG_PROFILE_SAMPLES] = samples,
        [CVG_PROFILE_SOURCE] = p->source,
        [CVG_PROFILE_SWITCH] = switch_ms,
        [CVG_PROFILE_LOAD] = numbers[5],
    };
    json_array_append_new(
        p->rows,
        json_pack("{s:s, s:i, s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:i, s:f}",
                  "variant", p->box->variants[variant].name, "exit", (int)exit,
                  "device", p->box->devices[device].profile, "batch",
                  (int)batch, "mean_ms", values[0], "p50_ms", values[1],
                  "p95_ms", values[2], "p99_ms", values[3], "energy_mj",
                  values[4], "samples", (int)m->samples, "load_ms", values[5]));
    return cvg_rows_insert(&p->profile, at, cells, err);
}

struct answers { /* of one variant */
    const char *dataset;
    uint32_t right[CVG_MAX_EXITS], n;
    uint64_t memory_bytes, file_bytes;
    double sparsity;
};

static enum cvg_status put_exit(struct cvg_profiling *p, size_t at,
                                uint32_t variant, uint32_t exit,
                                const struct answers *answers,
                                const char *gflop, struct cvg_error *err)
{
    const struct cvg_variant *v = &p->box->variants[variant];
    const double values[] = {(double)answers->right[exit] / answers->n,
                             (double)answers->file_bytes / 1048576,
                             (double)answers->memory_bytes / 1048576,
                             answers->sparsity};
    char numbers[4][CELL];
    char exit_text[CELL];
    char samples[CELL];
    for (size_t k = 0; k < 4; k++) {
        print_number(numbers[k], CELL, values[k]);
    }
    snprintf(exit_text, sizeof exit_text, "%u", exit);
    snprintf(samples, sizeof samples, "%u", answers->n);
    const char *slash = strrchr(answers->dataset, '/');
    const char *const cells[CVG_VARIANTS_COLUMNS] = {
        [CVG_VARIANTS_VARIANT] = v->name,
        [CVG_VARIANTS_EXIT] = exit_text,
        [CVG_VARIANTS_ACCURACY] = numbers[0],
        [CVG_VARIANTS_METRIC] = p->box->families[v->family].metric,
        [CVG_VARIANTS_DATASET] = slash == NULL ? answers->dataset : slash + 1,
        [CVG_VARIANTS_SAMPLES] = samples,
        [CVG_VARIANTS_WEIGHTS] = numbers[1],
        [CVG_VARIANTS_MEMORY] = numbers[2],
        [CVG_VARIANTS_SPARSITY] = numbers[3],
        [CVG_VARIANTS_SOURCE] = p->source,
        [CVG_VARIANTS_GFLOP] = gflop,
    };
    json_array_append_new(
        p->answers,
        json_pack("{s:s, s:i, s:f, s:i, s:f, s:f, s:f}", "variant", v->name,
                  "exit", (int)exit, "accuracy", values[0], "samples",
                  (int)answers->n, "weights_mib", values[1], "memory_mib",
                  values[2], "sparsity", values[3]));
    return cvg_rows_insert(&p->accuracy, at, cells, err);
}

static enum cvg_status put_variant(struct cvg_profiling *p, uint32_t variant,
                                   struct answers *answers,
                                   struct cvg_error *err)
{
    const struct cvg_variant *v = &p->box->variants[variant];
    enum cvg_status status = cvg_measure_weights(
        p->box->models, v->name, &answers->file_bytes, &answers->sparsity, err);
    size_t at = p->accuracy.n;
    char *gflop[CVG_MAX_EXITS] = {NULL}; /* is not measured here: it stays */
    for (uint32_t e = 0; e < CVG_MAX_EXITS; e++) {
        char exit_text[CELL];
        snprintf(exit_text, sizeof exit_text, "%u", e);
        const struct cvg_rows_key keys[] = {{CVG_VARIANTS_VARIANT, v->name},
                                            {CVG_VARIANTS_EXIT, exit_text}};
        size_t from = cvg_rows_remove(&p->accuracy, keys, 2, CVG_VARIANTS_GFLOP,
                                      &gflop[e]);
        at = from < at ? from : at; /* wherever the first of them stood */
    }
    for (uint32_t e = 0; e < CVG_MAX_EXITS; e++) {
        if (e < v->n_exits && status == CVG_OK) {
            status = put_exit(p, at + e, variant, e, answers,
                              gflop[e] != NULL ? gflop[e] : "", err);
        }
        free(gflop[e]);
    }
    return status;
}

/* --- measuring ------------------------------------------------------------ */

static int by_span(const void *a, const void *b)
{
    cvg_span x = *(const cvg_span *)a;
    cvg_span y = *(const cvg_span *)b;
    return (x > y) - (x < y);
}

/* Loads it a few times, and leaves it loaded. */
static enum cvg_status measure_load(struct cvg_measure *m, uint32_t variant,
                                    struct cvg_measured_load *out,
                                    struct cvg_error *err)
{
    cvg_span times[LOADS];
    enum cvg_status status = CVG_OK;
    for (uint32_t k = 0; k < LOADS && status == CVG_OK; k++) {
        if (k > 0) {
            status = cvg_measure_unload(m, err);
        }
        if (status == CVG_OK) {
            status = cvg_measure_load(m, variant, out, err);
            times[k] = out->time;
        }
    }
    if (status == CVG_OK) {
        qsort(times, LOADS, sizeof times[0], by_span);
        out->time = times[LOADS / 2];
    }
    return status;
}

static enum cvg_status measure_batches(struct cvg_profiling *p,
                                       struct cvg_measure *m, uint32_t device,
                                       uint32_t variant, cvg_span load_time,
                                       struct cvg_error *err)
{
    const struct cvg_variant *v = &p->box->variants[variant];
    const struct cvg_rows_key keys[] = {
        {CVG_PROFILE_VARIANT, v->name},
        {CVG_PROFILE_DEVICE, p->box->devices[device].profile}};
    char *switch_ms = NULL; /* not ours to measure: it stays */
    size_t at =
        cvg_rows_remove(&p->profile, keys, 2, CVG_PROFILE_SWITCH, &switch_ms);
    enum cvg_status status = CVG_OK;
    size_t n = p->options->n_batches;
    for (size_t k = 0; k < n * v->n_exits && status == CVG_OK; k++) {
        char what[64];
        struct cvg_measured measured = {0};
        uint32_t exit = (uint32_t)(k / n);
        uint32_t batch = p->options->batches[k % n];
        snprintf(what, sizeof what, "exit %u, batch %u", exit, batch);
        say_progress(p, p->box->devices[device].name, v->name, what);
        status = cvg_measure_batch(m, exit, batch, &p->options->limits,
                                   &p->meter, &measured, err);
        if (status == CVG_OK) {
            status =
                put_profile(p, at + k, device, variant, exit, batch, &measured,
                            load_time, switch_ms == NULL ? "" : switch_ms, err);
        }
        p->done++;
    }
    free(switch_ms);
    return status;
}

static enum cvg_status measure_answers(struct cvg_profiling *p,
                                       struct cvg_measure *m, uint32_t variant,
                                       uint64_t memory_bytes,
                                       struct cvg_error *err)
{
    struct answers answers = {.dataset = cvg_profiling_dataset(p, variant),
                              .memory_bytes = memory_bytes};
    struct cvg_dataset set;
    enum cvg_status status = cvg_dataset_open(answers.dataset, &set, err);
    if (status != CVG_OK) {
        return status;
    }
    for (uint32_t at = 0; at < set.count && status == CVG_OK;
         at += ANSWER_BATCH) {
        int32_t labels[ANSWER_BATCH];
        uint32_t right[CVG_MAX_EXITS] = {0};
        uint32_t n =
            set.count - at < ANSWER_BATCH ? set.count - at : ANSWER_BATCH;
        for (uint32_t i = 0; i < n; i++) {
            labels[i] = cvg_dataset_label(&set, at + i);
        }
        status = cvg_measure_answers(m, set.items + (size_t)at * set.item_bytes,
                                     set.item_bytes, labels, n, right, err);
        for (uint32_t e = 0; e < CVG_MAX_EXITS; e++) {
            answers.right[e] += right[e];
        }
        answers.n += n;
    }
    cvg_dataset_close(&set);
    if (status == CVG_OK && answers.n == 0) {
        status =
            cvg_fail(err, CVG_CONFIG, "%s: holds no items", answers.dataset);
    }
    return status == CVG_OK ? put_variant(p, variant, &answers, err) : status;
}

/* Pictures of any size, texts of any length: how long they take depends on it,
 * and nothing says what is usual. */
static void warn_of_open_shapes(const struct cvg_profiling *p,
                                const struct cvg_measure *m, const char *name)
{
    const struct cvg_model_info *info = cvg_measure_info(m);
    for (size_t k = 0; k < info->n_inputs; k++) {
        for (uint32_t d = 1; d < info->inputs[k].n_dims; d++) {
            if (info->inputs[k].dims[d] < 0) {
                end_progress(p);
                fprintf(stderr,
                        "convergo profile: %s: input '%s' leaves sizes open; "
                        "measured with 1, real items will take longer\n",
                        name, info->inputs[k].name);
                break;
            }
        }
    }
}

static enum cvg_status measure_variant(struct cvg_profiling *p,
                                       struct cvg_measure *m, uint32_t device,
                                       uint32_t variant, struct cvg_error *err)
{
    struct cvg_measured_load load = {0};
    const char *name = p->box->variants[variant].name;
    say_progress(p, p->box->devices[device].name, name, "loading");
    enum cvg_status status = measure_load(m, variant, &load, err);
    if (status == CVG_OK) {
        warn_of_open_shapes(p, m, name);
        status = measure_batches(p, m, device, variant, load.time, err);
    }
    bool first = device == p->devices[0];
    if (status == CVG_OK && first && p->writes_variants) {
        if (cvg_profiling_dataset(p, variant) == NULL) {
            end_progress(p);
            fprintf(stderr,
                    "convergo profile: %s: its accuracy stays as it was: no "
                    "dataset\n",
                    name);
        } else {
            say_progress(p, p->box->devices[device].name, name, "accuracy");
            status = measure_answers(p, m, variant, load.memory_bytes, err);
        }
        p->done++;
    }
    return status == CVG_OK ? cvg_measure_unload(m, err) : status;
}

static enum cvg_status measure_device(struct cvg_profiling *p, uint32_t device,
                                      struct cvg_error *err)
{
    struct cvg_measure *m = NULL;
    enum cvg_status status = cvg_measure_open(p->box, device, &m, err);
    for (size_t k = 0; k < p->n_variants && status == CVG_OK; k++) {
        status = measure_variant(p, m, device, p->variants[k], err);
    }
    cvg_measure_close(m);
    return status;
}

enum cvg_status cvg_profiling_measure(struct cvg_profiling *p,
                                      struct cvg_error *err)
{
    enum cvg_status status = CVG_OK;
    p->total = p->writes_variants ? p->n_variants : 0;
    for (size_t k = 0; k < p->n_variants; k++) {
        p->total += p->n_devices * p->options->n_batches *
                    p->box->variants[p->variants[k]].n_exits;
    }
    p->talks = isatty(STDERR_FILENO) != 0;
    p->begun = cvg_now();
    for (size_t k = 0; k < p->n_devices && status == CVG_OK; k++) {
        status = measure_device(p, p->devices[k], err);
    }
    end_progress(p);
    return status;
}
