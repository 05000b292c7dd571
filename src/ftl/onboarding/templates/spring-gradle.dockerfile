FROM eclipse-temurin:@version@-jdk AS build
WORKDIR /src
COPY @locked@ ./
COPY gradle ./gradle
RUN --mount=type=cache,target=/root/.gradle ./gradlew --no-daemon dependencies
COPY . .
RUN --mount=type=cache,target=/root/.gradle ./gradlew --no-daemon bootJar \
    && cp "$(ls build/libs/*.jar | grep -v plain)" /app.jar
# Layers: the libraries change seldom, the app's own classes often.
RUN java -Djarmode=tools -jar /app.jar extract --layers --destination /layers

@run_stage@
