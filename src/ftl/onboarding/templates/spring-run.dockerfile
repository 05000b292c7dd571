FROM eclipse-temurin:@version@-jre
RUN useradd --system --uid 10001 --no-create-home app
WORKDIR /app
COPY --from=build /layers/dependencies/ ./
COPY --from=build /layers/spring-boot-loader/ ./
COPY --from=build /layers/snapshot-dependencies/ ./
COPY --from=build /layers/application/ ./
USER app
EXPOSE @port@
# The heap follows the container's memory limit.
ENV JAVA_TOOL_OPTIONS=-XX:MaxRAMPercentage=75
CMD ["java", "-jar", "app.jar"]
