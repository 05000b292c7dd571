"""What things cost: a service of its own, asked by the shop by its name."""

from __future__ import annotations

import os
import socket

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

VERSION = "1.0.0"

CENTS = {"kettle": 4900, "lamp": 8900, "notebook": 1450, "teapot": 3200}

app = Flask(__name__)
discount = int(os.environ.get("DISCOUNT_PERCENT", "0"))


@app.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Whether this process serves."""
    return "ok\n"


@app.get("/version")
def version() -> ResponseReturnValue:
    """Which release answers."""
    return jsonify(version=VERSION, host=socket.gethostname())


@app.get("/quote")
def quote() -> ResponseReturnValue:
    """The price in cents of every `sku` asked for; what is not sold here has none."""
    known = (sku for sku in request.args.getlist("sku") if sku in CENTS)
    return jsonify(prices={sku: CENTS[sku] * (100 - discount) // 100 for sku in known})
