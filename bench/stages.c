/* What a stage of a model costs, alone and as the difference between two exits;
 * and what the model takes in memory beside one model for each of its exits.
 *
 *     bench_stages [--json FILE] [--models FOLDER] [--rounds N] [--batch N]
 *
 * Times are medians of CPU time, taken in turns. Run it from the project's
 * root. */
#include "bench/result.h"
#include "device/session.h"
#include <stdlib.h>
#include <time.h>

#define EXITS 4U
#define MODEL "fashion-multi-exit"
#define PIXELS ((size_t)28 * 28)
#define MAX_BATCH 32U

/* Of the example box's family, those whose accuracy is nearest to the exits'.
 */
static const char *const singles[EXITS] = {"fashion-xs", "fashion-s",
                                           "fashion-m", "fashion-l"};

struct batch { /* and its memory */
    struct cvg_batch batch;
    struct cvg_batch_item items[MAX_BATCH];
    struct cvg_tensor inputs[MAX_BATCH], outputs[MAX_BATCH];
    float pixels[MAX_BATCH][PIXELS];
};

static double cpu_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static struct cvg_session *open_model(const char *models, const char *variant)
{
    struct cvg_error err = {.text = ""};
    struct cvg_session *session = NULL;
    const struct cvg_session_options options = {
        .models = models, .variant = variant, .threads = 1};
    if (cvg_session_open(&options, &session, &err) != CVG_OK) {
        fprintf(stderr, "bench_stages: %s\n", err.text);
        exit(1);
    }
    return session;
}

static void fill(struct batch *b, uint32_t n)
{
    b->batch = (struct cvg_batch){.n = n, .items = b->items};
    for (uint32_t i = 0; i < n; i++) {
        for (size_t k = 0; k < PIXELS; k++) {
            b->pixels[i][k] = (float)((i * 7 + k * 13) % 255) / 255.0F;
        }
        b->inputs[i] = (struct cvg_tensor){.n_dims = 3,
                                           .dims = {1, 28, 28},
                                           .type = CVG_TYPE_FP32,
                                           .data = b->pixels[i],
                                           .bytes = sizeof b->pixels[i]};
        b->items[i] = (struct cvg_batch_item){.inputs = &b->inputs[i],
                                              .outputs = &b->outputs[i]};
    }
}

/* Runs the stages and returns what that took; features are kept for who asks.
 */
static double run(struct cvg_session *session, struct batch *b, uint32_t first,
                  uint32_t last, struct cvg_features **features,
                  struct cvg_features **kept)
{
    struct cvg_error err = {.text = ""};
    b->batch.first = first;
    b->batch.last = last;
    b->batch.keep = last + 1 < EXITS;
    for (uint32_t i = 0; i < b->batch.n; i++) {
        b->items[i].features = features == NULL ? NULL : features[i];
    }
    double begun = cpu_us();
    if (cvg_session_run(session, &b->batch, &err) != CVG_OK) {
        fprintf(stderr, "bench_stages: %s\n", err.text);
        exit(1);
    }
    double took = cpu_us() - begun;
    for (uint32_t i = 0; i < b->batch.n; i++) {
        cvg_tensor_release(&b->outputs[i]);
        if (kept != NULL) {
            kept[i] = b->items[i].kept;
        } else {
            cvg_features_release(b->items[i].kept);
        }
    }
    return took;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, by_value);
    return values[n / 2];
}

struct times { /* [round] each, us */
    double *to_exit[EXITS], *alone[EXITS];
};

/* Caches are as the last run has left them: before each row of runs that is
 * always the whole. */
static void measure(struct cvg_session *session, struct batch *b, size_t rounds,
                    struct times *times)
{
    struct cvg_features *features[EXITS][MAX_BATCH] = {{NULL}};
    for (size_t r = 0; r < rounds; r++) {
        for (uint32_t e = 0; e < EXITS; e++) {
            run(session, b, 0, EXITS - 1, NULL, NULL);
            times->to_exit[e][r] = run(session, b, 0, e, NULL, NULL);
        }
        run(session, b, 0, EXITS - 1, NULL, NULL);
        for (uint32_t e = 0; e < EXITS; e++) {
            times->alone[e][r] = run(
                session, b, e, e, e == 0 ? NULL : features[e - 1], features[e]);
        }
        for (uint32_t e = 0; e < EXITS; e++) {
            for (uint32_t i = 0; i < b->batch.n; i++) {
                cvg_features_release(features[e][i]);
                features[e][i] = NULL;
            }
        }
    }
}

static double memory_kib(const char *models, const char *variant)
{
    struct cvg_session *session = open_model(models, variant);
    double bytes = (double)cvg_session_cost(session).memory_bytes;
    cvg_session_close(session);
    return bytes / 1024;
}

int main(int argc, char **argv)
{
    static struct batch batch;
    static const char *const names[EXITS] = {"exit_0_us", "exit_1_less_0_us",
                                             "exit_2_less_1_us",
                                             "exit_3_less_2_us"};
    const char *models = bench_option(argc, argv, "--models", "models");
    size_t rounds =
        strtoul(bench_option(argc, argv, "--rounds", "2000"), NULL, 10);
    size_t n = strtoul(bench_option(argc, argv, "--batch", "1"), NULL, 10);
    if (rounds < 1 || n < 1 || n > MAX_BATCH) {
        fprintf(stderr,
                "bench_stages: rounds and batch (at most %u) are 1 or "
                "more\n",
                MAX_BATCH);
        return 2;
    }
    double *samples = malloc(2 * EXITS * rounds * sizeof *samples);
    if (samples == NULL) {
        return 1;
    }
    struct times times;
    for (uint32_t e = 0; e < EXITS; e++) {
        times.to_exit[e] = &samples[2 * e * rounds];
        times.alone[e] = &samples[(2 * e + 1) * rounds];
    }
    struct bench_result results[EXITS + 1];
    struct cvg_session *session = open_model(models, MODEL);
    fill(&batch, (uint32_t)n);
    measure(session, &batch, rounds, &times);
    cvg_session_close(session);
    double before = 0;
    double others = 0;
    for (uint32_t e = 0; e < EXITS; e++) {
        double here = median(times.to_exit[e], rounds);
        results[e] = (struct bench_result){names[e], here - before, "us",
                                           median(times.alone[e], rounds)};
        before = here;
        others += memory_kib(models, singles[e]);
    }
    free(samples);
    results[EXITS] = (struct bench_result){
        "memory_kib", memory_kib(models, MODEL), "KiB", others};
    return bench_write(argc, argv, results, EXITS + 1);
}
