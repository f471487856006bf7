/* The texts that a box was read from are enough to read it again. */
#include "texts.h"

#include <unistd.h>

static char folder[64];

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/cvg-kept-XXXXXX");
    assert_non_null(mkdtemp(folder));
    write_file("box.yaml", box_text);
    write_file("profile.csv", profile_text);
    write_file("variants.csv", variants_text);
    return 0;
}

static void remove_files(void)
{
    unlink(path_of("box.yaml"));
    unlink(path_of("profile.csv"));
    unlink(path_of("variants.csv"));
}

static int teardown(void **state)
{
    (void)state;
    remove_files();
    return rmdir(folder);
}

static void check_text(const struct cvg_config_file *file, const char *name,
                       const char *text)
{
    assert_string_equal(file->path, path_of(name));
    assert_int_equal(file->size, strlen(text));
    assert_memory_equal(file->text, text, file->size);
}

static void the_box_can_be_read_again(void **state)
{
    (void)state;
    struct cvg_box *box;
    struct cvg_box *again;
    struct cvg_config_texts texts;
    struct cvg_error err = {.text = ""};
    assert_int_equal(cvg_config_load_box_texts(path_of("box.yaml"), 0, NULL,
                                               &box, &texts, &err),
                     CVG_OK);
    assert_int_equal(texts.n, 3);
    check_text(&texts.items[0], "box.yaml", box_text);
    check_text(&texts.items[1], "variants.csv", variants_text);
    check_text(&texts.items[2], "profile.csv", profile_text);
    remove_files();
    assert_int_equal(
        cvg_config_read_box(texts.items, texts.n, 0, NULL, &again, &err),
        CVG_OK);
    assert_int_equal(again->n_variants, box->n_variants);
    for (uint32_t v = 0; v < box->n_variants; v++) {
        for (uint32_t d = 0; d < box->n_devices; d++) {
            assert_int_equal(cvg_profile_max_batch(again->profile, v, 0, 0, d),
                             cvg_profile_max_batch(box->profile, v, 0, 0, d));
        }
    }
    cvg_config_texts_free(&texts);
    cvg_box_destroy(again);
    cvg_box_destroy(box);
}

static void nothing_is_kept_of_a_bad_box(void **state)
{
    (void)state;
    struct cvg_box *box;
    struct cvg_config_texts texts = {NULL, 0};
    struct cvg_error err;
    write_file("box.yaml", "version: 1\nnonsense: 2\n");
    assert_int_equal(cvg_config_load_box_texts(path_of("box.yaml"), 0, NULL,
                                               &box, &texts, &err),
                     CVG_CONFIG);
    assert_null(texts.items);
    assert_null(box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_box_can_be_read_again),
        cmocka_unit_test(nothing_is_kept_of_a_bad_box),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
