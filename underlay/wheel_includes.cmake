# Given as CMAKE_PROJECT_INCLUDE.  The CMake files inside the ROS 2 wheels export include folders of
# the machine that built them (/opt/python/...), which CMake refuses because they do not exist here.
# At the end of the configuration, put this Python's folders in their place.
function(fix_wheel_includes)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(includes ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(includes MATCHES "/opt/python/")
      list(FILTER includes EXCLUDE REGEX "^/opt/python/")
      list(APPEND includes ${Python3_INCLUDE_DIRS} ${Python3_NumPy_INCLUDE_DIRS})
      set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${includes}")
    endif()
  endforeach()
endfunction()
cmake_language(DEFER CALL fix_wheel_includes)
