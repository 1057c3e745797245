/* A program that has libpython loaded, and does not use it: not yet ("never"), or not any more
   ("finalised").  For each line of its standard input it initialises Python, if there is none,
   and says so by Python.

   usage: loading never|finalised LIBPYTHON */
#include <dlfcn.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct pollfd input = {0, POLLIN, 0};
    char line[100];
    void *library = argc > 2 ? dlopen(argv[2], RTLD_NOW | RTLD_GLOBAL) : 0;
    void (*initialise)(int) = (void (*)(int))dlsym(library, "Py_InitializeEx");
    int (*finalise)(void) = (int (*)(void))dlsym(library, "Py_FinalizeEx");
    int (*is_there)(void) = (int (*)(void))dlsym(library, "Py_IsInitialized");
    int (*run)(const char *) = (int (*)(const char *))dlsym(library, "PyRun_SimpleString");

    if (!strcmp(argv[1], "finalised")) {
        initialise(0);
        run("import threading");
        finalise();
    }
    write(1, "ready\n", 6);
    for (;;) {
        poll(&input, 1, -1);
        if (read(0, line, sizeof line) <= 0)
            return 0;
        if (!is_there())
            initialise(0);
        run("import os; os.write(1, b'answer 1\\n')");
    }
}
