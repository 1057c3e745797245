/* A program that embeds Python and has a main loop of its own: for each line of its standard
   input it calls `embedded.later`, until the input ends.

   Its argument says how it waits: "released", without the GIL, as a program should; "kept", with
   it, as uWSGI without --enable-threads; "sub", released, after it has made a subinterpreter. */
#include <Python.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#ifdef DEBUG_BUILD
void _Py_NegativeRefcount(void) {} /* which only a debug build has */
#endif

static void work(PyThreadState **state)
{
    if (*state)
        PyEval_RestoreThread(*state);
    PyRun_SimpleString("embedded.later()");
    if (*state)
        *state = PyEval_SaveThread();
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "released";
    struct pollfd input = {0, POLLIN, 0};
    PyThreadState *state = NULL;
    char line[100];

    Py_InitializeEx(0);
    PyRun_SimpleString("import embedded");
    if (!strcmp(how, "sub")) {
        PyThreadState *main_state = PyThreadState_Get();
        Py_NewInterpreter();
        PyThreadState_Swap(main_state);
    }
    if (strcmp(how, "kept"))
        state = PyEval_SaveThread();
    write(1, "ready\n", 6);
    for (;;) {
        poll(&input, 1, -1);
        if (read(0, line, sizeof line) <= 0)
            return 0;
        work(&state);
        write(1, "answer 1\n", 9);
    }
}
