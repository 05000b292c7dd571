"""Java apps: Spring Boot, its settings, and the build files of Maven and Gradle."""
