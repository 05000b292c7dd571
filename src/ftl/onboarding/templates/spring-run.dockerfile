FROM eclipse-temurin:@version@-jre
RUN useradd --system --uid 10001 --no-create-home app
WORKDIR /app
@layers@
USER app
EXPOSE @port@
# The heap follows the container's memory limit.
ENV JAVA_TOOL_OPTIONS=-XX:MaxRAMPercentage=75
@cmd@
