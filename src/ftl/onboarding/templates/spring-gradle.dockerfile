FROM @image@ AS build
WORKDIR /src
ENV GRADLE_USER_HOME=/gradle
@first@
COPY . .
RUN --mount=type=cache,target=/gradle @tool@ --no-daemon @task@ \
    && @archive@
@extract@

@run_stage@
