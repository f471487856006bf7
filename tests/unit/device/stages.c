/* Models of several stages: each stage by itself, together, and split batches
 * answer as the whole network does. */
#include "device/session.h"

#include "base/rng.h"
#include "config/config.h"
#include "device/features.h"
#include "device/repository.h"
#include "support/tiny_model.h"
#include <convergo/box.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MODELS CVG_SOURCE_DIR "/models"
#define MODEL "fashion-multi-exit"
#define EXITS 4U
#define IMAGES 1000U
#define PIXELS ((size_t)28 * 28)
#define CLASSES 10U
#define BATCH 8U
#define TOLERANCE 1e-5

static float images[IMAGES][PIXELS];
static float expected[EXITS][IMAGES][CLASSES]; /* of the whole network */
static char folder[256];

/* --- a model and its images ------------------------------------------------ */

/* Real ones where they have been fetched, noise where not. */
static void make_images(void)
{
    struct cvg_dataset set;
    if (cvg_dataset_open(CVG_SOURCE_DIR "/datasets/fashion-sample.bin", &set,
                         NULL) == CVG_OK) {
        assert_int_equal(set.item_bytes, sizeof images[0]);
        assert_true(set.count >= IMAGES);
        memcpy(images, set.items, sizeof images);
        cvg_dataset_close(&set);
        return;
    }
    struct cvg_rng rng;
    cvg_rng_init(&rng, 1, 0, 0);
    for (size_t i = 0; i < IMAGES; i++) {
        for (size_t k = 0; k < PIXELS; k++) {
            images[i][k] = (float)cvg_rng_uniform(&rng);
        }
    }
}

static struct cvg_session *open_model(const char *models, const char *variant)
{
    struct cvg_session *session = NULL;
    struct cvg_error err = {.text = ""};
    const struct cvg_session_options options = {
        .models = models, .variant = variant, .threads = 1};
    if (cvg_session_open(&options, &session, &err) != CVG_OK) {
        fail_msg("%s", err.text);
    }
    return session;
}

/* A file of the repository, as model.onnx or a stage of a variant of ours. */
static void copy_file(const char *from, const char *to)
{
    char path[512];
    char buffer[65536];
    size_t n;
    snprintf(path, sizeof path, MODELS "/" MODEL "/%s", from);
    FILE *in = fopen(path, "rb");
    snprintf(path, sizeof path, "%s/%s", folder, to);
    for (char *p = strchr(path + strlen(folder) + 1, '/'); p != NULL;
         p = strchr(p + 1, '/')) {
        *p = '\0';
        mkdir(path, 0777);
        *p = '/';
    }
    FILE *out = fopen(path, "wb");
    assert_non_null(in);
    assert_non_null(out);
    while ((n = fread(buffer, 1, sizeof buffer, in)) > 0) {
        assert_int_equal(fwrite(buffer, 1, n, out), n);
    }
    fclose(in);
    fclose(out);
}

static struct cvg_tensor image(size_t i)
{
    return (struct cvg_tensor){.n_dims = 3,
                               .dims = {1, 28, 28},
                               .type = CVG_TYPE_FP32,
                               .data = images[i],
                               .bytes = sizeof images[i]};
}

static void run_whole(void)
{
    copy_file("whole.onnx", "whole/1/model.onnx");
    struct cvg_session *session = open_model(folder, "whole");
    const struct cvg_model_info *info = cvg_session_info(session);
    assert_int_equal(info->n_stages, 1);
    assert_int_equal(info->n_outputs, EXITS);
    for (size_t i = 0; i < IMAGES; i++) {
        struct cvg_tensor in = image(i);
        struct cvg_tensor out[EXITS];
        struct cvg_batch_item item = {.inputs = &in, .outputs = out};
        struct cvg_batch batch = {.items = &item, .n = 1};
        assert_int_equal(cvg_session_run(session, &batch, NULL), CVG_OK);
        for (size_t e = 0; e < EXITS; e++) {
            assert_int_equal(out[e].bytes, sizeof expected[e][i]);
            memcpy(expected[e][i], out[e].data, out[e].bytes);
            cvg_tensor_release(&out[e]);
        }
    }
    cvg_session_close(session);
}

static int prepare(void **state)
{
    (void)state;
    if (!tiny_folder_make(folder)) {
        return -1;
    }
    make_images();
    run_whole();
    return 0;
}

static int clean_up(void **state)
{
    (void)state;
    tiny_folder_remove(folder);
    return 0;
}

/* --- answers --------------------------------------------------------------- */

/* Images on their way: which, and what their last stage has made of them. */
struct group {
    uint32_t n;
    size_t image[BATCH];
    struct cvg_features *features[BATCH];
};

/* Runs stages first to last of the group, compares, and keeps its features. */
static void run_stages(struct cvg_session *session, struct group *g,
                       uint32_t first, uint32_t last, bool keep)
{
    struct cvg_tensor in[BATCH];
    struct cvg_tensor out[BATCH];
    struct cvg_batch_item items[BATCH];
    struct cvg_error err = {.text = ""};
    for (uint32_t i = 0; i < g->n; i++) {
        in[i] = image(g->image[i]);
        items[i] = (struct cvg_batch_item){
            .inputs = &in[i], .outputs = &out[i], .features = g->features[i]};
    }
    struct cvg_batch batch = {
        .first = first, .last = last, .keep = keep, .n = g->n, .items = items};
    if (cvg_session_run(session, &batch, &err) != CVG_OK) {
        fail_msg("stages %u to %u: %s", first, last, err.text);
    }
    for (uint32_t i = 0; i < g->n; i++) {
        const float *scores = out[i].data;
        assert_int_equal(out[i].bytes, CLASSES * sizeof(float));
        for (uint32_t c = 0; c < CLASSES; c++) {
            float whole = expected[last][g->image[i]][c];
            if (!(fabsf(scores[c] - whole) <= (float)TOLERANCE)) {
                fail_msg("image %zu, exit %u, class %u: %.9g, whole %.9g",
                         g->image[i], last, c, (double)scores[c],
                         (double)whole);
            }
        }
        cvg_tensor_release(&out[i]);
        cvg_features_release(g->features[i]);
        g->features[i] = items[i].kept;
        assert_true((items[i].kept != NULL) == (keep && last + 1 < EXITS));
    }
}

static struct group next_group(size_t *at, uint32_t n)
{
    struct group g = {.n = 0};
    while (g.n < n && *at < IMAGES) {
        g.image[g.n++] = (*at)++;
    }
    return g;
}

static void stage_by_stage(void **state)
{
    (void)state;
    struct cvg_session *session = open_model(MODELS, MODEL);
    assert_int_equal(cvg_session_info(session)->n_stages, EXITS);
    assert_int_equal(cvg_session_info(session)->n_outputs, 1);
    assert_int_equal(cvg_session_info(session)->n_inputs, 1);
    for (size_t at = 0; at < IMAGES;) {
        struct group g = next_group(&at, at % 3 == 0 ? 1 : BATCH);
        for (uint32_t e = 0; e < EXITS; e++) {
            run_stages(session, &g, e, e, true);
        }
    }
    cvg_session_close(session);
}

static void several_stages_at_once(void **state)
{
    (void)state;
    struct cvg_session *session = open_model(MODELS, MODEL);
    for (size_t at = 0; at < 200;) {
        for (uint32_t first = 0; first < EXITS; first++) {
            struct group g = next_group(&at, 5);
            if (first > 0) {
                run_stages(session, &g, 0, first - 1, true);
            }
            run_stages(session, &g, first, EXITS - 1, true);
        }
        struct group g = next_group(&at, 3);
        run_stages(session, &g, 0, 1, false); /* nobody goes on */
    }
    cvg_session_close(session);
}

static uint32_t below(struct cvg_rng *rng, uint32_t n)
{
    return (uint32_t)(cvg_rng_next(rng) % n);
}

static void leave(struct group *g, uint32_t i)
{
    cvg_features_release(g->features[i]);
    g->n--;
    g->image[i] = g->image[g->n];
    g->features[i] = g->features[g->n];
    g->features[g->n] = NULL;
}

static struct group merged(struct group *a, struct group *b)
{
    while (b->n > 0 && a->n < BATCH) {
        b->n--;
        a->image[a->n] = b->image[b->n];
        a->features[a->n++] = b->features[b->n];
    }
    while (b->n > 0) {
        leave(b, 0);
    }
    return *a;
}

/* Some leave at every exit, and what goes on mixes with others in any order. */
static void split_and_mixed_batches(void **state)
{
    (void)state;
    struct cvg_rng rng;
    cvg_rng_init(&rng, 2, 0, 0);
    struct cvg_session *session = open_model(MODELS, MODEL);
    for (size_t at = 0; at < IMAGES;) {
        struct group a = next_group(&at, BATCH);
        struct group b = next_group(&at, BATCH);
        for (uint32_t e = 0; e < EXITS && a.n > 0; e++) {
            run_stages(session, &a, e, e, true);
            if (b.n > 0) {
                run_stages(session, &b, e, e, true);
            }
            for (uint32_t k = below(&rng, 4); k > 0 && a.n > 1; k--) {
                leave(&a, below(&rng, a.n));
            }
            a = merged(&a, &b);
            b.n = 0;
        }
        while (a.n > 0) {
            leave(&a, 0);
        }
    }
    cvg_session_close(session);
}

/* Features of a batch that goes on as it is are not even moved. */
static void features_lie_together(void **state)
{
    (void)state;
    struct cvg_session *session = open_model(MODELS, MODEL);
    size_t at = 0;
    struct group g = next_group(&at, BATCH);
    run_stages(session, &g, 0, 0, true);
    const struct cvg_tensor *first = &g.features[0]->tensors[0];
    for (uint32_t i = 1; i < g.n; i++) {
        const struct cvg_tensor *t = &g.features[i]->tensors[0];
        assert_ptr_equal(t->data, (char *)first->data + i * first->bytes);
        assert_ptr_equal(t->memory, first->memory);
    }
    cvg_session_close(session); /* before its features: they outlive it */
    while (g.n > 0) {
        leave(&g, 0);
    }
}

/* --- what is wrong with the files ------------------------------------------ */

static void write_yaml(const char *variant, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s/variant.yaml", folder, variant);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static struct cvg_session_options options_of(const char *variant,
                                             uint32_t n_stages)
{
    return (struct cvg_session_options){.models = folder,
                                        .variant = variant,
                                        .threads = 1,
                                        .n_stages = n_stages};
}

static void not_opened(const char *variant, uint32_t n_stages, const char *text)
{
    const struct cvg_session_options options = options_of(variant, n_stages);
    struct cvg_session *session = NULL;
    struct cvg_error err = {.text = ""};
    if (cvg_session_open(&options, &session, &err) == CVG_OK) {
        fail_msg("it was opened, expected: %s", text);
    }
    if (strstr(err.text, text) == NULL) {
        fail_msg("expected '%s' in: %s", text, err.text);
    }
}

static void refused(const char *variant, uint32_t n_stages, const char *text)
{
    const struct cvg_session_options options = options_of(variant, n_stages);
    struct cvg_model_info info;
    struct cvg_error err = {.text = ""};
    not_opened(variant, n_stages, text);
    assert_true(cvg_session_describe(&options, &info, &err) != CVG_OK);
    assert_non_null(strstr(err.text, text));
}

static void wrong_files_are_named(void **state)
{
    (void)state;
    for (uint32_t k = 0; k < EXITS; k++) {
        char from[64];
        char to[64];
        snprintf(from, sizeof from, "1/stage-%u.onnx", k);
        snprintf(to, sizeof to, "odd/1/stage-%u.onnx", k);
        copy_file(from, to);
    }
    refused("odd", 0, "odd/1/model.onnx: No such file");
    write_yaml("odd", "version: 1\nstages:\n  - {file: stage-0.onnx}\n"
                      "  - {file: stage-9.onnx}\n");
    refused("odd", 0, "odd/1/stage-9.onnx: No such file");
    write_yaml("odd", "version: 1\nstages:\n  - {file: stage-0.onnx}\n"
                      "  - {file: stage-3.onnx}\n");
    not_opened("odd", 0, "stage-3.onnx");
    write_yaml("odd", "version: 1\nstages:\n  - {file: stage-0.onnx}\n"
                      "  - {file: stage-1.onnx}\n");
    refused("odd", 0, "takes 1 inputs, but");
    write_yaml("odd", "version: 1\nstages:\n  - {file: stage-0.onnx}\n"
                      "  - {file: stage-1.onnx}\n  - {file: stage-2.onnx}\n"
                      "  - {file: stage-3.onnx}\n");
    refused("odd", 3, "3 exits in the box's files, and 4 stages");
    write_yaml("odd", "version: 1\nstage: []\n");
    refused("odd", 0, "variant.yaml:2:1: unknown key 'stage' in variant");
    write_yaml("odd", "version: 1\nstages: []\n");
    refused("odd", 0, "variant.yaml:2:1: stages: 0 given");
    write_yaml("odd", "version: 1\nstages: [{file: ../stage-0.onnx}]\n");
    refused("odd", 0, "variant.yaml:2:17: file: ");
    write_yaml("odd", "version: 2\nstages: [{file: stage-0.onnx}]\n");
    refused("odd", 0, "variant.yaml:1:10: version: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stage_by_stage),
        cmocka_unit_test(several_stages_at_once),
        cmocka_unit_test(split_and_mixed_batches),
        cmocka_unit_test(features_lie_together),
        cmocka_unit_test(wrong_files_are_named),
    };
    return cmocka_run_group_tests(tests, prepare, clean_up);
}
