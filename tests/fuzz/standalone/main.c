/* Runs files through a fuzz target without libFuzzer.
 *
 * Each argument is a file, or a folder whose files are all run, in the order of
 * their names. The empty input always runs first; a missing folder holds
 * nothing. A broken input ends the program by an assert or a sanitizer, after
 * its name was printed. */

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int complain(const char *path)
{
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return 1;
}

/* The content is copied to a block of its very size, so that a sanitizer or
 * valgrind sees a read past its end. */
static int run_stream(const char *path, FILE *file, size_t size)
{
    uint8_t *data = malloc(size > 0 ? size : 1);
    if (data == NULL) {
        return complain(path);
    }
    int failed = fread(data, 1, size, file) != size ? complain(path) : 0;
    if (!failed) {
        printf("%s: %zu bytes\n", path, size);
        fflush(stdout);
        LLVMFuzzerTestOneInput(data, size);
    }
    free(data);
    return failed;
}

static int run_file(const char *path)
{
    struct stat status;
    FILE *file = fopen(path, "rb");
    if (file == NULL || fstat(fileno(file), &status) != 0) {
        int failed = complain(path);
        if (file != NULL) {
            fclose(file);
        }
        return failed;
    }
    int failed = run_stream(path, file, (size_t)status.st_size);
    fclose(file);
    return failed;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int run_folder(const char *path)
{
    struct dirent **entries;
    int n = scandir(path, &entries, is_visible, alphasort);
    if (n < 0) {
        return complain(path);
    }
    int failed = 0;
    for (int i = 0; i < n; i++) {
        char name[4096];
        int length =
            snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        if (length > 0 && (size_t)length < sizeof(name)) {
            failed |= run_file(name);
        }
        free(entries[i]);
    }
    free(entries);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        struct stat status;
        if (stat(argv[i], &status) != 0) {
            printf("%s: no corpus\n", argv[i]);
        } else if (S_ISDIR(status.st_mode)) {
            failed |= run_folder(argv[i]);
        } else {
            failed |= run_file(argv[i]);
        }
    }
    return failed;
}
