/* SPDX-License-Identifier: Apache-2.0 */
#include "installer/terminal.h"

#include <stddef.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"

#define LEAST 20
#define MOST  100 /* longer lines are hard to read */

int terminal_width(int fd, int otherwise)
{
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return otherwise;
    return size.ws_col > MOST ? MOST : size.ws_col < LEAST ? LEAST : size.ws_col;
}

bool terminal_name_is_serial(const char *name)
{
    static const char *const starts[] = {"/dev/ttyS", "/dev/ttyAMA", "/dev/ttyUSB", "/dev/ttysclp",
                                         "/dev/hvc"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (text_starts(name, starts[i]))
            return true;
    return false;
}

bool terminal_is_serial(int fd)
{
    char name[64];
    return ttyname_r(fd, name, sizeof name) == 0 && terminal_name_is_serial(name);
}
