FROM eclipse-temurin:@version@-jdk AS build
WORKDIR /src
COPY @locked@ ./
@wrapper@
RUN --mount=type=cache,target=/root/.m2 @tool@ -B dependency:go-offline
COPY src ./src
RUN --mount=type=cache,target=/root/.m2 @tool@ -B package -DskipTests && cp target/*.jar /app.jar
@extract@

@run_stage@
