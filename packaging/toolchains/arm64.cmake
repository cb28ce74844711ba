set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(ARCHITECTURE arm64)
set(TRIPLET aarch64-linux-gnu)
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
