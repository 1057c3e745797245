/* A program that takes libpython when it runs, and uses it as its first argument says.

   "never" does not yet, and "finalised" not any more: for each line of its standard input it
   initialises Python, if there is none, and says so by Python.  "released" and "kept" have Python
   and call `embedded.later` for each line; they wait without the GIL, as a program should, or
   with it, as PostgreSQL does.

   usage: loading never|finalised|released|kept LIBPYTHON */
#include <dlfcn.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static void *library;

static void *symbol(const char *name)
{
    void *found = library ? dlsym(library, name) : 0;
    if (!found)
        _exit(90);
    return found;
}

int main(int argc, char **argv)
{
    struct pollfd input = {0, POLLIN, 0};
    char line[100];
    void *state = 0;
    library = dlopen(argv[2], RTLD_NOW | RTLD_GLOBAL);
    void (*initialise)(int) = (void (*)(int))symbol("Py_InitializeEx");
    int (*finalise)(void) = (int (*)(void))symbol("Py_FinalizeEx");
    int (*is_there)(void) = (int (*)(void))symbol("Py_IsInitialized");
    int (*run)(const char *) = (int (*)(const char *))symbol("PyRun_SimpleString");
    void *(*save)(void) = (void *(*)(void))symbol("PyEval_SaveThread");
    void (*restore)(void *) = (void (*)(void *))symbol("PyEval_RestoreThread");
    int embeds = !strcmp(argv[1], "released") || !strcmp(argv[1], "kept");

    if (embeds || !strcmp(argv[1], "finalised")) {
        initialise(0);
        run(embeds ? "import embedded" : "import threading");
    }
    if (!strcmp(argv[1], "finalised"))
        finalise();
    if (!strcmp(argv[1], "released"))
        state = save();
    write(1, "ready\n", 6);
    for (;;) {
        poll(&input, 1, -1);
        if (read(0, line, sizeof line) <= 0)
            return 0;
        if (state)
            restore(state);
        if (!is_there())
            initialise(0);
        if (embeds)
            run("embedded.later()");
        run("import os; os.write(1, b'answer 1\\n')");
        if (state)
            state = save();
    }
}
