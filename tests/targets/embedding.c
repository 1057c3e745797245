/* A program that embeds Python and has a main loop of its own: it waits in poll(2), for ever.

   Its argument says how it waits: "released", without the GIL, as a program should; "kept", with
   it, as uWSGI without --enable-threads; "sub", released, after it has made a subinterpreter. */
#include <Python.h>
#include <poll.h>
#include <string.h>

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "released";
    Py_InitializeEx(0);
    PyRun_SimpleString("def later():\n    return 1\n");
    if (!strcmp(how, "sub")) {
        PyThreadState *main_state = PyThreadState_Get();
        Py_NewInterpreter();
        PyThreadState_Swap(main_state);
    }
    if (strcmp(how, "kept"))
        PyEval_SaveThread();
    puts("ready");
    fflush(stdout);
    poll(NULL, 0, -1);
    return 0;
}
