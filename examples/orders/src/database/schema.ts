import type { Db } from './session.js'

/** Creates what is not there yet; whoever calls it has to be the only one who does. */
export async function createSchema(db: Db): Promise<void> {
  // Not even `if not exists` on what is there: it would lock it, under those who work with it.
  const [before] = await db`select to_regclass('stock') is not null as "isThere"`
  if (before?.['isThere']) return
  await db.raw(`
    create table stock (
      sku text primary key,
      initial int not null,
      on_hand int not null check (on_hand >= 0)
    );
    create table orders (
      id int generated always as identity primary key,
      customer text not null,
      sku text not null references stock,
      quantity int not null check (quantity > 0),
      total int not null,
      state text not null default 'placed',
      placed_at timestamptz not null default now()
    );
    create index unpaid on orders (placed_at) where state = 'placed';

    -- what was asked for and what came of it: asked again, a command answers the same and does nothing
    create table commands (
      key text primary key,
      name text not null,
      input jsonb not null,
      result jsonb,
      at timestamptz not null default now()
    );
    create index by_age on commands (at);

    -- the outbox: what happened, and who has to hear of it
    create table events (
      id int generated always as identity primary key,
      type text not null,
      body jsonb not null,
      at timestamptz not null default now()
    );
    create table deliveries (
      event int not null references events,
      handler text not null,
      attempts int not null default 0,
      due timestamptz not null default now(),
      done_at timestamptz,
      dead_at timestamptz,
      error text,
      primary key (event, handler)
    );
    create index due on deliveries (due) where done_at is null and dead_at is null;
    create index dead on deliveries (dead_at) where dead_at is not null;

    -- what the handlers make of it
    create table revenue (sku text primary key, amount int not null);

    insert into stock (sku, initial, on_hand)
      select 'sku-' || n, 100000, 100000 from generate_series(1, 20) n;
    insert into stock (sku, initial, on_hand) values ('rare', 25, 25);
  `)
}
