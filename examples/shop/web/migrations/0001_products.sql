CREATE TABLE products (
    sku text PRIMARY KEY CHECK (sku ~ '^[a-z0-9-]+$'),
    name text NOT NULL,
    description text NOT NULL DEFAULT ''
);

INSERT INTO products (sku, name, description) VALUES
    ('kettle', 'Kettle', 'Boils a litre in three minutes and says so.'),
    ('lamp', 'Desk lamp', 'Warm light, a long arm, no app.'),
    ('notebook', 'Notebook', 'A hundred and ninety-two pages that lie flat.'),
    ('teapot', 'Teapot', 'Short and stout.');
