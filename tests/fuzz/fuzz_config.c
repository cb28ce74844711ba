/* The configuration: as llamad's file, printed with its origins. */
#include "conf.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static char *environment(const char *name)
{
    static char port[] = "1884";
    return strcmp(name, "SMOLLAMA_MQTT_PORT") == 0 ? port : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    struct buf out = BUF_INIT;
    struct conf *conf = conf_load_text("config.yaml", text, environment);
    require(conf != NULL);
    conf_print(conf, &out);
    require(!out.failed && strstr(buf_terminate(&out), "mqtt.port = ") != NULL);
    for (size_t i = 0; i < conf_problem_count(conf); i++) {
        require(*conf_problem(conf, i)->text != '\0');
    }
    buf_finish(&out);
    conf_destroy(conf);
    free(text);
    return 0;
}
