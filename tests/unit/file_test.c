/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.c"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/unit.h"

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    unit_dir(dir);
    return 0;
}

static int drop_dir(void **state)
{
    (void)state;
    unit_dir_remove(dir);
    return 0;
}

/* How many names the folder has: tells forgotten temporary files. */
static int entries(void)
{
    int n = -2; /* . and .. */
    DIR *d = opendir(dir);
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void assert_holds(const char *path, const char *text)
{
    struct buf b;
    struct fault f;
    buf_init(&b, 1 << 20);
    if (!file_read(path, &b, &f))
        fail_msg("%s", f.text);
    assert_string_equal(buf_text(&b), text);
    buf_free(&b);
}

static void writes_and_replaces(void **state)
{
    (void)state;
    struct fault f;
    struct stat st;
    char *path = file_join(dir, "a");
    mode_t before = umask(077);
    assert_true(file_write(path, "one", 3, 0644, &f));
    umask(before);
    assert_holds(path, "one");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644); /* whatever the umask */
    assert_true(file_write(path, "", 0, 0600, &f));
    assert_holds(path, "");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(entries(), 1);
    free(path);
}

static void writes_large_content(void **state)
{
    (void)state;
    struct fault f;
    char *path = file_join(dir, "a");
    char *text = mem_alloc(300001, 1);
    memset(text, 'x', 300000);
    assert_true(file_write(path, text, 300000, 0600, &f));
    assert_holds(path, text);
    free(text);
    free(path);
}

static void failed_rename_leaves_the_old(void **state)
{
    (void)state;
    struct fault f;
    char *path = file_join(dir, "a");
    assert_true(file_mkdir(path, 0700, &f));
    assert_false(file_write(path, "new", 3, 0600, &f));
    assert_non_null(strstr(f.text, "cannot replace"));
    assert_int_equal(entries(), 1);
    assert_false(file_link(path, "target", &f));
    assert_int_equal(entries(), 1);
    free(path);
}

static void creates_once(void **state)
{
    (void)state;
    struct fault f;
    struct stat st;
    bool existed = true;
    char *path = file_join(dir, "a");
    char *link_path = file_join(dir, "b");
    assert_true(file_create(path, "first", 5, 0640, &existed, &f));
    assert_false(existed);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(st.st_nlink, 1);
    assert_true(file_create(path, "second", 6, 0600, &existed, &f));
    assert_true(existed);
    assert_holds(path, "first");
    assert_true(file_link(link_path, "nowhere", &f));
    assert_true(file_create(link_path, "third", 5, 0600, &existed, &f));
    assert_true(existed);
    assert_int_equal(entries(), 2);
    free(path);
    path = file_join(dir, "no/a");
    assert_false(file_create(path, "x", 1, 0600, &existed, &f));
    assert_non_null(strstr(f.text, "No such file"));
    free(path);
    free(link_path);
}

/* A full disk, as a limit on the size of files: in a process of its own. */
static void failed_write_leaves_the_old(void **state)
{
    (void)state;
    struct fault f;
    char *path = file_join(dir, "a");
    assert_true(file_write(path, "old", 3, 0600, &f));
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {1000, 1000};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        char big[5000] = "";
        bool wrote = file_write(path, big, sizeof big, 0600, &f);
        _exit(!wrote && strstr(f.text, "File too large") ? 0 : 1);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    assert_holds(path, "old");
    assert_int_equal(entries(), 1);
    free(path);
}

static void missing_folder_is_named(void **state)
{
    (void)state;
    struct fault f;
    char *path = file_join(dir, "no/a");
    assert_false(file_write(path, "x", 1, 0600, &f));
    assert_non_null(strstr(f.text, path));
    assert_non_null(strstr(f.text, "No such file"));
    assert_false(file_link(path, "x", &f));
    assert_false(file_mkdir(path, 0700, &f));
    assert_false(file_sync_dir(path, &f));
    free(path);
}

static void refuses_to_read(void **state)
{
    (void)state;
    struct fault f;
    struct buf b;
    char path[128];
    unit_file(dir, "a", "12345", path);
    buf_init(&b, 4);
    buf_puts(&b, "old");
    assert_false(file_read(path, &b, &f));
    assert_non_null(strstr(f.text, "larger than 4 bytes"));
    assert_int_equal(b.len, 0);
    b.max = 5;
    assert_true(file_read(path, &b, &f));
    assert_string_equal(buf_text(&b), "12345");
    assert_false(file_read(dir, &b, &f));
    assert_non_null(strstr(f.text, "not a regular file"));
    assert_false(file_read("/dev/zero", &b, &f));
    char *fifo = file_join(dir, "fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_false(file_read(fifo, &b, &f));
    char *missing = file_join(dir, "missing");
    assert_false(file_read(missing, &b, &f));
    assert_non_null(strstr(f.text, "No such file"));
    assert_true(file_read("/proc/self/stat", &b, &f) == false); /* larger than 5, of size "0" */
    buf_free(&b);
    free(fifo);
    free(missing);
}

static void links_are_replaced(void **state)
{
    (void)state;
    struct fault f;
    char target[64] = "";
    char *path = file_join(dir, "current");
    assert_true(file_link(path, "gen-1", &f));
    assert_true(file_link(path, "gen-2", &f));
    assert_int_equal(readlink(path, target, sizeof target - 1), 5);
    assert_string_equal(target, "gen-2");
    assert_true(file_exists(path)); /* though it points nowhere */
    assert_int_equal(entries(), 1);
    free(path);
}

static void folders(void **state)
{
    (void)state;
    struct fault f;
    struct stat st;
    char path[128];
    char *sub = file_join(dir, "sub");
    mode_t before = umask(077);
    assert_true(file_mkdir(sub, 0750, &f));
    umask(before);
    assert_int_equal(stat(sub, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0750);
    assert_true(file_mkdir(sub, 0700, &f));
    unit_file(dir, "a", "", path);
    assert_false(file_mkdir(path, 0700, &f));
    assert_non_null(strstr(f.text, "not a folder"));
    free(sub);
}

static void removes(void **state)
{
    (void)state;
    struct fault f;
    char path[128];
    unit_file(dir, "a", "", path);
    assert_true(file_exists(path));
    assert_true(file_remove(path, &f));
    assert_false(file_exists(path));
    assert_true(file_remove(path, &f));
    assert_false(file_remove(dir, &f));
}

static void locks_once(void **state)
{
    (void)state;
    struct fault f;
    bool busy = true;
    char *path = file_join(dir, "lock");
    int fd = file_lock(path, &busy, &f);
    assert_true(fd >= 0);
    assert_false(busy);
    assert_int_equal(file_lock(path, &busy, &f), -1);
    assert_true(busy);
    assert_non_null(strstr(f.text, "held by another process"));
    close(fd);
    fd = file_lock(path, NULL, &f);
    assert_true(fd >= 0);
    close(fd);
    char *missing = file_join(dir, "no/lock");
    assert_int_equal(file_lock(missing, &busy, &f), -1);
    assert_false(busy);
    free(missing);
    free(path);
}

static void relative_paths(void **state)
{
    (void)state;
    struct fault f;
    int here = open(".", O_RDONLY | O_DIRECTORY);
    assert_int_equal(chdir(dir), 0);
    assert_true(file_write("plain", "x", 1, 0600, &f));
    assert_holds("plain", "x");
    assert_int_equal(entries(), 1);
    assert_int_equal(fchdir(here), 0);
    close(here);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, drop_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(writes_and_replaces),
        TEST(writes_large_content),
        TEST(failed_rename_leaves_the_old),
        TEST(creates_once),
        TEST(failed_write_leaves_the_old),
        TEST(missing_folder_is_named),
        TEST(refuses_to_read),
        TEST(links_are_replaced),
        TEST(folders),
        TEST(removes),
        TEST(locks_once),
        TEST(relative_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
