"""Projects that the model deploys: files that `validate` accepts."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from ftl.config.models.project import Build, Dependency, Project, ProjectInfo, Proxy, Route, Server, Service

NAMES = {
    "u": ("web-api", "web", "db", "db-old"),
    "u-web": ("api", "db", "old"),
    "t": ("web", "x", "y"),
    "t_x": ("y", "web"),
}
"""Projects whose names with those of a service, or of a volume, come out the same."""


VOLUMES = ("data", "y", "x_y")


class File:
    """A project, shown in few words where a test fails."""

    def __init__(self, project: Project) -> None:
        self.project = project

    def __repr__(self) -> str:
        services = [
            f"{one.name}({one.port}, {'built' if one.build else one.image}, {one.volumes}, A={one.env['A']}, "
            f"routes={len(one.routes)}, replicas={one.replicas}, recreate={one.recreate}, {one.depends_on})"
            for one in self.project.services
        ]
        dependencies = [
            f"{one.name}({one.image}, {one.volumes}, A={one.env['A']})" for one in self.project.dependencies
        ]
        return f"{self.project.name}: {' '.join(services)} | {' '.join(dependencies)}"


@st.composite
def files(draw: st.DrawFn, name: str) -> File:
    """An ftl.yaml that `validate` accepts."""
    services: list[Service] = []
    dependencies: list[Dependency] = []
    free = list(VOLUMES)
    for item in NAMES[name]:
        kind = draw(st.sampled_from(("service", "service", "dependency", "none")))
        used = {mount.source for one in services for mount in one.mounts} if kind == "dependency" else set()
        volume = draw(st.sampled_from(("", *(one for one in free if one not in used))))
        mounts = (f"{volume}:/data",) if volume else ()
        env = {"A": draw(st.sampled_from(("1", "2")))}
        if kind == "dependency":
            image = draw(st.sampled_from(("store:1", "store:2")))
            dependencies.append(Dependency(name=item, image=image, volumes=mounts, env=env))
        elif kind == "service":
            port = draw(st.sampled_from((None, 8000, 9000)))
            routes = (Route(path=f"/{item}", host=f"{name}.test"),) if port and draw(st.booleans()) else ()
            services.append(
                Service(
                    name=item,
                    port=port,
                    routes=routes,
                    build=Build() if draw(st.booleans()) else None,
                    image=draw(st.sampled_from(("app:1", "app:2"))),
                    env=env,
                    volumes=mounts,
                    replicas=draw(st.sampled_from((1, 1, 2))),
                    recreate=draw(st.booleans()),
                    depends_on=tuple(one.name for one in services if draw(st.booleans())),
                )
            )
        if volume and (kind == "dependency" or draw(st.booleans())):
            free.remove(volume)
    if not services:
        services = [Service(name=NAMES[name][0], image="app:1", env={"A": "1"})]
        dependencies = [one for one in dependencies if one.name != NAMES[name][0]]
    services = [
        # An image beside `build` is one to push to.
        replace(one, image=None if one.build is not None else one.image)
        for one in services
    ]
    volumes = {mount.source for one in services for mount in one.mounts}
    volumes |= {mount.source for one in dependencies for mount in one.mounts}
    texts = [text for one in services for text in one.volumes]
    texts += [text for one in dependencies for text in one.volumes]
    return File(
        Project(
            project=ProjectInfo(name=name, domain=f"{name}.test"),
            server=Server(host="server"),
            services=tuple(services),
            dependencies=tuple(dependencies),
            volumes=tuple(sorted({text.partition(":")[0] for text in texts})),
            proxy=Proxy(tls="off"),
            keep_releases=2,
        )
    )
