FROM eclipse-temurin:@version@-jdk AS build
WORKDIR /src
@first@
@source@
RUN --mount=type=cache,target=/root/.m2 @package@ -DskipTests && @archive@
@extract@

@run_stage@
