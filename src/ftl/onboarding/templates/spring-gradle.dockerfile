FROM eclipse-temurin:@version@-jdk AS build
WORKDIR /src
COPY @locked@ ./
COPY gradle ./gradle
RUN --mount=type=cache,target=/root/.gradle ./gradlew --no-daemon dependencies
COPY . .
RUN --mount=type=cache,target=/root/.gradle ./gradlew --no-daemon bootJar \
    && cp "$(ls build/libs/*.jar | grep -v plain)" /app.jar
@extract@

@run_stage@
