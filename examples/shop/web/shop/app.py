"""The shop's pages and its small JSON API."""

from __future__ import annotations

import hmac
import socket

import httpx
from flask import (
    Flask,
    Response,
    abort,
    jsonify,
    redirect,
    render_template,
    request,
    send_from_directory,
    url_for,
)
from flask.typing import ResponseReturnValue

from shop import VERSION
from shop.database import Database
from shop.pictures import NotAPicture, Pictures
from shop.prices import Prices, PricesUnavailable
from shop.settings import Settings

MAX_UPLOAD = 2 * 1024 * 1024


def create_app(settings: Settings | None = None) -> Flask:
    """Build the application; nothing is connected before the first request needs it."""
    settings = settings or Settings.from_env()
    database = Database(settings.database_url)
    prices = Prices(settings.prices_url)
    pictures = Pictures(settings.pictures)

    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_UPLOAD
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters["money"] = lambda cents: f"{cents / 100:,.2f} €"
    app.context_processor(lambda: {"version": VERSION, "host": socket.gethostname()})

    @app.get("/healthz")
    def healthz() -> ResponseReturnValue:
        """Whether this process serves; deliberately asks neither the database nor its schema."""
        return Response("ok\n", mimetype="text/plain")

    @app.get("/version")
    def version() -> ResponseReturnValue:
        """Which release answers, and the prices service behind it."""
        return jsonify(version=VERSION, host=socket.gethostname(), prices=prices.version())

    @app.get("/")
    def index() -> ResponseReturnValue:
        """All products with today's prices."""
        products = database.products()
        quotes = prices.quote([product.sku for product in products])
        return render_template("index.html", products=products, quotes=quotes, pictures=pictures)

    @app.get("/products/<sku>")
    def product(sku: str) -> ResponseReturnValue:
        """One product."""
        found = database.product(sku) or abort(404)
        return render_template(
            "product.html", product=found, price=prices.quote([sku])[sku], picture=pictures.name(sku)
        )

    @app.post("/orders")
    def order() -> ResponseReturnValue:
        """Buy something: a form from the product's page, or JSON `{"sku": ..., "quantity": ...}`."""
        wanted = request.get_json() if request.is_json else request.form
        sku = str(wanted.get("sku", ""))
        quantity = str(wanted.get("quantity", "1"))
        if not quantity.isascii() or not quantity.isdigit() or not 1 <= int(quantity) <= 99:
            abort(400, "quantity is a number from 1 to 99")
        if database.product(sku) is None:
            abort(404)
        number = database.add_order(sku, int(quantity), prices.quote([sku])[sku], VERSION)
        if request.is_json:
            return jsonify(order=number, version=VERSION), 201
        return redirect(url_for("thanks", number=number), code=303)

    @app.get("/orders/<int:number>")
    def thanks(number: int) -> ResponseReturnValue:
        """What was ordered."""
        return render_template("order.html", order=database.order(number) or abort(404))

    @app.put("/products/<sku>/picture")
    def upload(sku: str) -> ResponseReturnValue:
        """Keep a product's picture (PNG or JPEG in the body); for whoever knows the admin token."""
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), settings.admin_token.encode()):
            abort(401)
        if database.product(sku) is None:
            abort(404)
        pictures.keep(sku, request.get_data())
        return "", 204

    @app.get("/pictures/<name>")
    def picture(name: str) -> ResponseReturnValue:
        """A product's picture."""
        return send_from_directory(pictures.folder, name, max_age=60)

    @app.errorhandler(NotAPicture)
    def not_a_picture(error: NotAPicture) -> ResponseReturnValue:
        return Response(f"{error}\n", 415, mimetype="text/plain")

    @app.errorhandler(PricesUnavailable)
    @app.errorhandler(httpx.HTTPError)
    def no_prices(error: Exception) -> ResponseReturnValue:
        app.logger.error("no prices: %s", error)
        return Response("The prices cannot be had right now.\n", 503, mimetype="text/plain")

    return app
