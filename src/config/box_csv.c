/* The CSV files of a box: rows of its own variants and devices go into it. */
#include "config/box_reader.h"

#include "config/rows.h"
#include <stdlib.h>
#include <string.h>

/* Remembers a name that the box does not have, so that a message about one that
 * the files do not have can tell what was meant. */
static enum cvg_status note_other(struct cvg_box_reader *reader,
                                  struct cvg_name_set *set, const char *name)
{
    uint32_t number;
    if (set->n >= CVG_MAX_VARIANTS) {
        return CVG_OK;
    }
    return cvg__name_set_add(set, name, &number, NULL)
               ? CVG_OK
               : cvg__source_nomem(&reader->reader.source);
}

/* --- variants.csv ----------------------------------------------------------
 */

/* The rows of a variant's exits describe one model: its size is the largest
 * that any of them gives. */
static void take_variant(struct cvg_variant *variant,
                         const struct cvg_variants_row *row)
{
    variant->accuracy[row->exit] = row->accuracy;
    variant->flop[row->exit] = row->flop;
    if (row->exit >= variant->n_exits) {
        variant->n_exits = row->exit + 1;
    }
    if (row->weights_bytes > variant->weights_bytes) {
        variant->weights_bytes = row->weights_bytes;
    }
    if (row->memory_bytes > variant->memory_bytes) {
        variant->memory_bytes = row->memory_bytes;
    }
    if (row->sparsity > variant->sparsity) {
        variant->sparsity = row->sparsity;
    }
}

static void check_metric(const struct cvg_box_reader *reader,
                         const struct cvg_csv *csv,
                         const struct cvg_variants_row *row, uint32_t v)
{
    const struct cvg_box *box = reader->box;
    const struct cvg_family *family = &box->families[box->variants[v].family];
    if (*row->metric != '\0' && strcmp(row->metric, family->metric) != 0) {
        cvg__source_warn(&csv->source, reader->notes, csv->places[0],
                         "warning: the accuracy of '%s' is '%.40s', that of "
                         "its family '%s' is '%.40s'",
                         row->variant, row->metric, family->name,
                         family->metric);
    }
}

static enum cvg_status add_variants_row(struct cvg_box_reader *reader,
                                        const struct cvg_csv *csv)
{
    struct cvg_variants_row row;
    enum cvg_status status = cvg__variants_row(csv, &row);
    if (status != CVG_OK) {
        return status;
    }
    uint32_t v = cvg_box_find_variant(reader->box, row.variant);
    if (v == CVG_ANY) {
        return note_other(reader, &reader->other_variants, row.variant);
    }
    if ((reader->exits[v] >> row.exit & 1U) != 0) {
        return cvg__source_fail(&csv->source, csv->places[0],
                                "a second row for variant '%s', exit %u",
                                row.variant, row.exit);
    }
    reader->exits[v] |= 1U << row.exit;
    take_variant(&reader->box->variants[v], &row);
    check_metric(reader, csv, &row, v);
    return CVG_OK;
}

/* --- profile.csv -----------------------------------------------------------
 */

static enum cvg_status check_exit(struct cvg_box_reader *reader,
                                  const struct cvg_csv *csv,
                                  const struct cvg_profile_row *row, uint32_t v)
{
    struct cvg_variant *variant = &reader->box->variants[v];
    if (row->exit < variant->n_exits) {
        return CVG_OK;
    }
    if (reader->exits[v] == 0) { /* not measured: nothing to compare with */
        variant->n_exits = row->exit + 1;
        return CVG_OK;
    }
    return cvg__csv_fail(csv, CVG_PROFILE_EXIT,
                         "'%u' has no accuracy: the variants files give "
                         "exits 0 to %u of '%s'",
                         row->exit, variant->n_exits - 1, row->variant);
}

/* switch_ms and load_ms belong to (variant, device); the rows of its batches
 * may repeat them, or leave them empty. */
static enum cvg_status take_pair_times(const struct cvg_csv *csv,
                                       const struct cvg_profile_row *row,
                                       struct cvg_profile *profile, uint32_t v,
                                       uint32_t d)
{
    cvg_span known = cvg_profile_switch(profile, v, d);
    if (row->switch_time >= 0 && known >= 0 && known != row->switch_time) {
        return cvg__csv_fail(csv, CVG_PROFILE_SWITCH,
                             "'%.40s' differs from a row before for '%s' on "
                             "'%s'",
                             cvg__csv_text(csv, CVG_PROFILE_SWITCH),
                             row->variant, row->device);
    }
    if (row->switch_time >= 0) {
        cvg_profile_set_switch(profile, v, d, row->switch_time);
    }
    known = cvg_profile_load(profile, v, d);
    if (row->load_time >= 0 && known > 0 && known != row->load_time) {
        return cvg__csv_fail(
            csv, CVG_PROFILE_LOAD,
            "'%.40s' differs from a row before for '%s' on '%s'",
            cvg__csv_text(csv, CVG_PROFILE_LOAD), row->variant, row->device);
    }
    if (row->load_time >= 0) {
        cvg_profile_set_load(profile, v, d, row->load_time);
    }
    return CVG_OK;
}

static enum cvg_status add_point(const struct cvg_csv *csv,
                                 const struct cvg_profile_row *row,
                                 struct cvg_profile *profile, uint32_t v,
                                 uint32_t d)
{
    enum cvg_status status =
        cvg_profile_add(profile, v, row->exit, d, &row->point, NULL);
    if (status == CVG_INVALID) {
        return cvg__source_fail(&csv->source, csv->places[0],
                                "a second row for variant '%s', exit %u, "
                                "device '%s', batch %u",
                                row->variant, row->exit, row->device,
                                row->point.batch);
    }
    return status == CVG_OK ? take_pair_times(csv, row, profile, v, d)
                            : cvg__source_nomem(&csv->source);
}

/* For people who want to know where a device's figures come from. */
static enum cvg_status note_source(const struct cvg_csv *csv,
                                   struct cvg_device *device)
{
    const char *text = cvg__csv_text(csv, CVG_PROFILE_SOURCE);
    bool known = *text == '\0' || device->n_sources == CVG_MAX_SOURCES;
    for (size_t i = 0; !known && i < device->n_sources; i++) {
        known = strcmp(device->sources[i], text) == 0;
    }
    if (known) {
        return CVG_OK;
    }
    char **grown =
        realloc(device->sources, (device->n_sources + 1) * sizeof(char *));
    if (grown == NULL) {
        return cvg__source_nomem(&csv->source);
    }
    device->sources = grown;
    grown[device->n_sources] = strdup(text);
    if (grown[device->n_sources] == NULL) {
        return cvg__source_nomem(&csv->source);
    }
    device->n_sources++;
    return CVG_OK;
}

/* One row serves all devices of that profile. */
static enum cvg_status add_to_devices(struct cvg_box_reader *reader,
                                      const struct cvg_csv *csv,
                                      const struct cvg_profile_row *row,
                                      uint32_t v)
{
    const struct cvg_box *box = reader->box;
    bool known = false;
    enum cvg_status status = CVG_OK;
    for (uint32_t d = 0; status == CVG_OK && d < box->n_devices; d++) {
        if (strcmp(box->devices[d].profile, row->device) == 0) {
            known = true;
            status = add_point(csv, row, box->profile, v, d);
            if (status == CVG_OK) {
                status = note_source(csv, &box->devices[d]);
            }
        }
    }
    return known ? status
                 : note_other(reader, &reader->other_devices, row->device);
}

static enum cvg_status add_profile_row(struct cvg_box_reader *reader,
                                       const struct cvg_csv *csv)
{
    struct cvg_profile_row row;
    enum cvg_status status = cvg__profile_row(csv, &row);
    if (status != CVG_OK) {
        return status;
    }
    uint32_t v = cvg_box_find_variant(reader->box, row.variant);
    if (v == CVG_ANY) {
        return note_other(reader, &reader->other_variants, row.variant);
    }
    status = check_exit(reader, csv, &row, v);
    return status == CVG_OK ? add_to_devices(reader, csv, &row, v) : status;
}

/* --- files -----------------------------------------------------------------
 */

static enum cvg_status read_rows(
    struct cvg_box_reader *reader, const char *path, char *text, size_t size,
    const struct cvg_column *columns, size_t n,
    enum cvg_status (*add)(struct cvg_box_reader *reader,
                           const struct cvg_csv *csv))
{
    struct cvg_source source = {path, reader->reader.source.err};
    struct cvg_csv csv;
    enum cvg_status status =
        cvg__csv_open(&csv, &source, text, size, columns, n);
    while (status == CVG_OK) {
        status = cvg__csv_next(&csv);
        if (status != CVG_OK || csv.n == 0) {
            break;
        }
        status = add(reader, &csv);
    }
    cvg__csv_close(&csv);
    return status;
}

static enum cvg_status read_variants_file(struct cvg_box_reader *reader,
                                          const char *path, char *text,
                                          size_t size)
{
    return read_rows(reader, path, text, size, cvg__variants_columns,
                     CVG_VARIANTS_COLUMNS, add_variants_row);
}

static enum cvg_status read_profile_file(struct cvg_box_reader *reader,
                                         const char *path, char *text,
                                         size_t size)
{
    return read_rows(reader, path, text, size, cvg__profile_columns,
                     CVG_PROFILE_COLUMNS, add_profile_row);
}

enum cvg_status cvg__read_variants(struct cvg_box_reader *reader)
{
    reader->exits = calloc(reader->box->n_variants, sizeof *reader->exits);
    if (reader->exits == NULL) {
        return cvg__source_nomem(&reader->reader.source);
    }
    return cvg__each_csv(reader, "variants", read_variants_file);
}

enum cvg_status cvg__read_profiles(struct cvg_box_reader *reader)
{
    return cvg__each_csv(reader, "profiles", read_profile_file);
}
