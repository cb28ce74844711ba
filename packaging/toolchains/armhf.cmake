# ARMv7 with floating point, as Debian builds for: not the first Raspberry Pi and the Zero (ARMv6).
set(CMAKE_SYSTEM_PROCESSOR armv7l)
set(ARCHITECTURE armhf)
set(TRIPLET arm-linux-gnueabihf)
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
