/* RAPL and hwmon, by their files in sysfs. */
#include "device/meter.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_EVERY CVG_MS(10)

static bool read_number(const char *path, uint64_t *out)
{
    char text[32];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    bool ok = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    char *end = text;
    *out = ok ? strtoull(text, &end, 10) : 0;
    return ok && end != text;
}

static bool begins_with(const char *path, const char *prefix)
{
    char text[32];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    bool ok = fgets(text, sizeof text, file) != NULL &&
              strncmp(text, prefix, strlen(prefix)) == 0;
    fclose(file);
    return ok;
}

static void copy_path(char *out, const char *path)
{
    snprintf(out, CVG_METER_PATH, "%s", path);
}

/* Packages only: cores and graphics are parts of them, memory is counted by
 * some machines within and by others beside. */
static void add_rapl(struct cvg_meter *meter, const char *folder)
{
    char path[CVG_METER_PATH];
    uint64_t value = 0;
    uint64_t range = 0;
    if (meter->n == CVG_METER_SENSORS) {
        return;
    }
    snprintf(path, sizeof path, "%s/name", folder);
    if (!begins_with(path, "package")) {
        return;
    }
    snprintf(path, sizeof path, "%s/max_energy_range_uj", folder);
    if (!read_number(path, &range)) {
        return;
    }
    snprintf(path, sizeof path, "%s/energy_uj", folder);
    if (read_number(path, &value)) {
        copy_path(meter->sensors[meter->n].path, path);
        meter->sensors[meter->n].range = range;
        meter->n++;
    }
}

/* One chip: its power if it shows that, else its first channel, which on
 * Jetson boards is the input of the whole board. */
static void add_hwmon(struct cvg_meter *meter, const char *folder)
{
    char power[CVG_METER_PATH];
    char voltage[CVG_METER_PATH];
    char current[CVG_METER_PATH];
    uint64_t value = 0;
    if (meter->n == CVG_METER_SENSORS) {
        return;
    }
    snprintf(power, sizeof power, "%s/power1_input", folder);
    snprintf(voltage, sizeof voltage, "%s/in1_input", folder);
    snprintf(current, sizeof current, "%s/curr1_input", folder);
    if (read_number(power, &value)) {
        copy_path(meter->sensors[meter->n].path, power);
        meter->n++;
    } else if (read_number(voltage, &value) && read_number(current, &value)) {
        copy_path(meter->sensors[meter->n].path, voltage);
        copy_path(meter->sensors[meter->n].other, current);
        meter->n++;
    }
}

static void find_in(struct cvg_meter *meter, const char *root,
                    const char *class, const char *prefix,
                    void (*add)(struct cvg_meter *, const char *))
{
    char path[128];
    snprintf(path, sizeof path, "%.90s/class/%s", root, class);
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return;
    }
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (strncmp(e->d_name, prefix, strlen(prefix)) == 0 &&
            strlen(e->d_name) < 30) {
            char folder[160];
            snprintf(folder, sizeof folder, "%s/%.30s", path, e->d_name);
            add(meter, folder);
        }
    }
    closedir(dir);
}

void cvg_meter_find(struct cvg_meter *meter, const char *root)
{
    *meter = (struct cvg_meter){.at = CVG_NEVER};
    find_in(meter, root, "powercap", "intel-rapl:", add_rapl);
    if (meter->n > 0) {
        meter->kind = "RAPL";
        return;
    }
    find_in(meter, root, "hwmon", "hwmon", add_hwmon);
    if (meter->n > 0) {
        meter->kind = "hwmon";
    }
}

/* Joules since each counter's last value. A counter starts again at 0 beyond
 * its range. */
static double read_counters(struct cvg_meter *meter)
{
    double joules = 0;
    for (size_t k = 0; k < meter->n; k++) {
        uint64_t value = 0;
        if (!read_number(meter->sensors[k].path, &value)) {
            continue;
        }
        uint64_t last = meter->sensors[k].last;
        uint64_t used = value >= last ? value - last
                                      : value + meter->sensors[k].range - last;
        meter->sensors[k].last = value;
        joules += (double)used * 1e-6;
    }
    return joules;
}

static double read_watts(const struct cvg_meter *meter)
{
    double watts = 0;
    for (size_t k = 0; k < meter->n; k++) {
        uint64_t value = 0;
        uint64_t milliamperes = 0;
        if (!read_number(meter->sensors[k].path, &value)) {
            continue;
        }
        if (meter->sensors[k].other[0] == '\0') {
            watts += (double)value * 1e-6;
        } else if (read_number(meter->sensors[k].other, &milliamperes)) {
            watts += (double)value * (double)milliamperes * 1e-6;
        }
    }
    return watts;
}

static bool counts(const struct cvg_meter *meter)
{
    return meter->kind != NULL && strcmp(meter->kind, "RAPL") == 0;
}

void cvg_meter_start(struct cvg_meter *meter, cvg_time now)
{
    meter->joules = 0;
    meter->at = now;
    if (counts(meter)) {
        read_counters(meter);
    } else {
        meter->watts = read_watts(meter);
    }
}

void cvg_meter_read(struct cvg_meter *meter, cvg_time now, bool last)
{
    if (meter->kind == NULL || (!last && now - meter->at < READ_EVERY)) {
        return;
    }
    if (counts(meter)) {
        meter->joules += read_counters(meter);
    } else {
        double watts = read_watts(meter);
        meter->joules +=
            0.5 * (watts + meter->watts) * (double)(now - meter->at) * 1e-9;
        meter->watts = watts;
    }
    meter->at = now;
}
