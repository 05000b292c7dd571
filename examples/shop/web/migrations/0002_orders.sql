CREATE TABLE orders (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku text NOT NULL REFERENCES products,
    quantity integer NOT NULL CHECK (quantity > 0),
    cents integer NOT NULL CHECK (cents >= 0),
    version text NOT NULL,
    placed timestamptz NOT NULL DEFAULT now()
);
