/* Records that come from anywhere: read and replayed as they are; and as the
 * steps of a record whose box and sums are right, so that what is inside is
 * reached. */
#include "../support/record_box.h"
#include "base/crc32.h"
#include "cli/explain.h"
#include "record/block.h"
#include "record/head.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void explain(struct cvg_record *record)
{
    struct cvg_error err;
    struct cvg_record_why why;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out != NULL && cvg_record_explain(record, 3, &why, &err) == CVG_OK) {
        cvg_explain_write(out, record, &why);
        cvg_record_why_fini(&why);
    }
    if (out != NULL) {
        (void)fclose(out);
    }
    free(text);
}

static void replay(const uint8_t *bytes, size_t size)
{
    struct cvg_error err;
    struct cvg_record *record;
    struct cvg_replay out;
    if (cvg_record_read(bytes, size, "fuzz", &record, &err) == CVG_OK) {
        (void)cvg_record_replay(record, NULL, &out, &err);
        explain(record);
        cvg_record_close(record);
    }
}

/* Prefix and head of a record, from malloc(). Few ended requests are kept, so
 * that an engine is made quickly. */
static unsigned char *make_head(struct cvg_crc32 *crc, size_t *size)
{
    struct cvg_error err;
    struct cvg_box *box;
    struct cvg_policy policy;
    struct cvg_engine *engine;
    struct cvg_config_texts texts = {
        .items = (struct cvg_config_file *)record_box_files, .n = 3};
    struct cvg_record_options options = {.mode = "sim", .texts = &texts};
    if (cvg_config_read_box(texts.items, texts.n, 0, NULL, &box, &err) !=
            CVG_OK ||
        cvg_policy_from_spec(&box->policy, &policy, &err) != CVG_OK) {
        abort();
    }
    struct cvg_engine_options with = {.box = box,
                                      .policy = &policy,
                                      .ended_kept = 64,
                                      .largest_deadline = CVG_S(10)};
    if (cvg_engine_create(&with, &engine, &err) != CVG_OK) {
        abort();
    }
    unsigned char *bytes = malloc(CVG__RECORD_PREFIX + CVG__BLOCK_HEADER +
                                  cvg__head_room(&options, engine));
    unsigned char *block = bytes + CVG__RECORD_PREFIX;
    cvg_crc32_init(crc);
    cvg__prefix_write(crc, bytes);
    unsigned char *end =
        cvg__head_write(block + CVG__BLOCK_HEADER, &options, engine);
    struct cvg__block head = {.kind = CVG__BLOCK_HEAD,
                              .size =
                                  (uint32_t)(end - block - CVG__BLOCK_HEADER)};
    cvg__block_seal(crc, &head, block);
    *size = (size_t)(end - bytes);
    cvg_engine_destroy(engine);
    cvg_box_destroy(box);
    return bytes;
}

static void replay_as_steps(const uint8_t *data, size_t size)
{
    static struct cvg_crc32 crc;
    static unsigned char *head;
    static size_t head_size;
    if (head == NULL) {
        head = make_head(&crc, &head_size);
    }
    size_t total = head_size + CVG__BLOCK_HEADER + size;
    unsigned char *bytes = malloc(total);
    struct cvg__block block = {
        .number = 1, .kind = CVG__BLOCK_STEPS, .size = (uint32_t)size};
    memcpy(bytes, head, head_size);
    if (size > 0) {
        memcpy(bytes + head_size + CVG__BLOCK_HEADER, data, size);
    }
    cvg__block_seal(&crc, &block, bytes + head_size);
    replay(bytes, total);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    replay(data, size);
    replay_as_steps(data, size);
    return 0;
}
