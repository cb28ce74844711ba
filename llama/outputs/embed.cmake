# Writes the bytes of FROM into TO, a C source, as openapi.h declares them.
file(READ ${FROM} bytes HEX)
string(LENGTH "${bytes}" digits)
math(EXPR len "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" bytes "${bytes}")
file(WRITE ${TO} "#include \"openapi.h\"\n\nconst char openapi_json[] = {\n${bytes}};\nconst size_t openapi_json_len = ${len};\n")
