# cmake -DPAGE=page.html -DOUT=page.c -P embed.cmake
#
# Writes the page to a C file, as the array cvg__page_template. The style sheets
# and scripts that it names, files beside it, are put into it.

cmake_path(GET PAGE PARENT_PATH folder)
file(READ "${PAGE}" page)

string(REGEX MATCHALL "<link rel=\"stylesheet\" href=\"[a-z]+\\.css\">"
    sheets "${page}")
foreach(element IN LISTS sheets)
    string(REGEX REPLACE ".*href=\"([^\"]*)\".*" "\\1" name "${element}")
    file(READ "${folder}/${name}" text)
    string(REPLACE "${element}" "<style>\n${text}</style>" page "${page}")
endforeach()

string(REGEX MATCHALL "<script src=\"[a-z]+\\.js\"></script>"
    scripts "${page}")
foreach(element IN LISTS scripts)
    string(REGEX REPLACE ".*src=\"([^\"]*)\".*" "\\1" name "${element}")
    file(READ "${folder}/${name}" text)
    string(REPLACE "${element}" "<script>\n${text}</script>" page "${page}")
endforeach()

file(WRITE "${OUT}.html" "${page}")
file(READ "${OUT}.html" bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
file(WRITE "${OUT}" "#include <stddef.h>

extern const unsigned char cvg__page_template[];
extern const size_t cvg__page_template_size;

const unsigned char cvg__page_template[] = {${bytes}};
const size_t cvg__page_template_size = sizeof cvg__page_template;
")
