/* SPDX-License-Identifier: Apache-2.0 */
/* Gives a fuzz target each of the files named, and those of the folders named: for compilers
 * without libFuzzer, and for looking at one input in a debugger. */
#include "fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

static int replayed;

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    static uint8_t room[1 << 20];
    uint8_t *exact;
    size_t size;

    if (!file) {
        perror(path);
        exit(2);
    }
    size = fread(room, 1, sizeof(room), file);
    fclose(file);
    exact = malloc(size ? size : 1); /* so that valgrind sees what is read behind it */
    must(exact);
    memcpy(exact, room, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    replayed++;
}

static void replay(const char *path)
{
    struct stat info;
    struct dirent *entry;
    DIR *folder;

    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        replay_file(path);
        return;
    }
    folder = opendir(path);
    must(folder);
    while ((entry = readdir(folder)) != NULL) {
        char inner[4096];

        if (entry->d_name[0] != '.') {
            snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
            replay(inner);
        }
    }
    closedir(folder);
}

int fuzz_replay(int argc, char **argv);

int fuzz_replay(int argc, char **argv)
{
    int i;

    for (i = 1; i < argc; i++) {
        replay(argv[i]);
    }
    printf("%s: %d inputs\n", argv[0], replayed);
    return replayed > 0 ? 0 : 1; /* a corpus that is not found proves nothing */
}

#ifndef FUZZ_IN_HTTPD
int main(int argc, char **argv)
{
    return fuzz_replay(argc, argv);
}
#endif
