"""The first tables of the state."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "lab",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("world", sa.String(), nullable=False),
        sa.Column("applied", sa.Integer(), nullable=False),
        sa.Column("event", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.CheckConstraint("world IN ('real', 'simulated')", name=op.f("ck_lab_world_known")),
        sa.CheckConstraint("applied >= event AND event >= 0", name=op.f("ck_lab_in_order")),
        sa.CheckConstraint("id = 1", name=op.f("ck_lab_only_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lab")),
        sa.UniqueConstraint("world", name=op.f("uq_lab_world")),
    )
    op.create_table(
        "barcodes",
        sa.Column("position", sa.String(), nullable=False),
        sa.Column("expected", sa.String(), nullable=False),
        sa.Column("found", sa.String(), nullable=True),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("task", sa.String(), nullable=True),
        sa.Column("read_n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("world", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_barcodes_actor_named")),
        sa.CheckConstraint("NOT settled OR expected = found OR n > read_n", name=op.f("ck_barcodes_settled_later")),
        sa.ForeignKeyConstraint(["world"], ["lab.world"], name=op.f("fk_barcodes_world")),
        sa.PrimaryKeyConstraint("read_n", name=op.f("pk_barcodes")),
    )
    op.create_index(op.f("ix_barcodes_task"), "barcodes", ["task"], unique=False)
    op.create_table(
        "blocked",
        sa.Column("position", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("world", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_blocked_actor_named")),
        sa.ForeignKeyConstraint(["world"], ["lab.world"], name=op.f("fk_blocked_world")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_blocked")),
    )
    op.create_table(
        "calibrations",
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("figures", sa.String(), nullable=False),
        sa.Column("valid_for_s", sa.Double(), nullable=False),
        sa.Column("world", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_calibrations_actor_named")),
        sa.CheckConstraint("valid_for_s > 0", name=op.f("ck_calibrations_valid_for_some_time")),
        sa.ForeignKeyConstraint(["world"], ["lab.world"], name=op.f("fk_calibrations_world")),
        sa.UniqueConstraint("n", name=op.f("uq_calibrations_n")),
    )
    op.create_index(op.f("ix_calibrations_what"), "calibrations", ["what"], unique=False)
    op.create_table(
        "items",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("position", sa.String(), nullable=True),
        sa.Column("inside", sa.String(), nullable=True),
        sa.Column("inside_kind", sa.String(), nullable=True),
        sa.Column("gone", sa.Boolean(), nullable=False),
        sa.Column("world", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_items_actor_named")),
        sa.CheckConstraint(
            "inside_kind IS NULL OR (inside_kind = 'ware' AND kind = 'portion')", name=op.f("ck_items_portion_in_ware")
        ),
        sa.CheckConstraint("kind IN ('portion', 'ware')", name=op.f("ck_items_kind_known")),
        sa.CheckConstraint(
            "(gone AND position IS NULL AND inside IS NULL) OR (NOT gone AND (position IS NULL) <> (inside IS NULL))",
            name=op.f("ck_items_in_one_place"),
        ),
        sa.CheckConstraint("(inside IS NULL) = (inside_kind IS NULL)", name=op.f("ck_items_inside_both")),
        sa.ForeignKeyConstraint(
            ["inside", "inside_kind"], ["items.id", "items.kind"], name=op.f("fk_items_inside_inside_kind")
        ),
        sa.ForeignKeyConstraint(["world"], ["lab.world"], name=op.f("fk_items_world")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_items")),
        sa.UniqueConstraint("id", "kind", name=op.f("uq_items_id_kind")),
        sa.UniqueConstraint("inside", name=op.f("uq_items_inside")),
        sa.UniqueConstraint("position", name=op.f("uq_items_position")),
    )
    op.create_table(
        "leases",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("station", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("taken_s", sa.Double(), nullable=False),
        sa.Column("returned_s", sa.Double(), nullable=True),
        sa.Column("world", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_leases_actor_named")),
        sa.ForeignKeyConstraint(["world"], ["lab.world"], name=op.f("fk_leases_world")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leases")),
    )
    op.create_index(
        "uq_leases_station",
        "leases",
        ["station"],
        unique=True,
        sqlite_where=sa.text("returned_s IS NULL"),
        postgresql_where=sa.text("returned_s IS NULL"),
    )
    op.create_table(
        "stocks",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("sort", sa.String(), nullable=False),
        sa.Column("substance", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("amount", sa.Double(), nullable=False),
        sa.Column("received", sa.Double(), nullable=False),
        sa.Column("warn_below", sa.Double(), nullable=False),
        sa.Column("warned", sa.Boolean(), nullable=False),
        sa.Column("price", sa.Double(), nullable=False),
        sa.Column("world", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_stocks_actor_named")),
        sa.CheckConstraint(
            "sort IN ('lot', 'media', 'solvent', 'gas', 'vial', 'crucible', 'holder')",
            name=op.f("ck_stocks_sort_known"),
        ),
        sa.CheckConstraint("unit IN ('mg', 'ml', 'l', 'pieces')", name=op.f("ck_stocks_unit_known")),
        sa.CheckConstraint("amount <= received", name=op.f("ck_stocks_not_more_than_came")),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_stocks_not_below_zero")),
        sa.ForeignKeyConstraint(["world"], ["lab.world"], name=op.f("fk_stocks_world")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stocks")),
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("station", sa.String(), nullable=False),
        sa.Column("sample", sa.String(), nullable=True),
        sa.Column("instructions", sa.String(), nullable=False),
        sa.Column("repeatability", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("held_from", sa.String(), nullable=True),
        sa.Column("why", sa.String(), nullable=True),
        sa.Column("dispatches", sa.Integer(), nullable=False),
        sa.Column("undone", sa.Integer(), nullable=False),
        sa.Column("planned_s", sa.Double(), nullable=False),
        sa.Column("dispatched_s", sa.Double(), nullable=True),
        sa.Column("acknowledged_s", sa.Double(), nullable=True),
        sa.Column("ended_s", sa.Double(), nullable=True),
        sa.Column("world", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.CheckConstraint("(state = 'held') = (held_from IS NOT NULL)", name=op.f("ck_tasks_held_from_somewhere")),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_tasks_actor_named")),
        sa.CheckConstraint("repeatability <> 'never' OR undone = 0", name=op.f("ck_tasks_never_again")),
        sa.CheckConstraint(
            "repeatability = 'repeatable' OR dispatches - undone <= 1", name=op.f("ck_tasks_not_repeated")
        ),
        sa.CheckConstraint(
            "repeatability IN ('repeatable', 'repeatable_if_not_dispatched', 'never')",
            name=op.f("ck_tasks_repeatability_known"),
        ),
        sa.CheckConstraint(
            "state IN ('planned', 'dispatched', 'acknowledged', 'verified', 'failed', 'held')",
            name=op.f("ck_tasks_state_known"),
        ),
        sa.CheckConstraint("undone >= 0 AND undone <= dispatches", name=op.f("ck_tasks_undone_was_dispatched")),
        sa.ForeignKeyConstraint(["world"], ["lab.world"], name=op.f("fk_tasks_world")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    op.create_index(op.f("ix_tasks_sample"), "tasks", ["sample"], unique=False)
    op.create_index(op.f("ix_tasks_state"), "tasks", ["state"], unique=False)
    op.create_table(
        "attestations",
        sa.Column("who", sa.String(), nullable=False),
        sa.Column("seen", sa.String(), nullable=False),
        sa.Column("task", sa.String(), nullable=True),
        sa.Column("happened", sa.Boolean(), nullable=True),
        sa.Column("places", sa.String(), nullable=False),
        sa.Column("world", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_attestations_actor_named")),
        sa.CheckConstraint("actor <> 'auto' AND who <> ''", name=op.f("ck_attestations_by_a_person")),
        sa.CheckConstraint("(task IS NULL) = (happened IS NULL)", name=op.f("ck_attestations_task_and_whether")),
        sa.ForeignKeyConstraint(["task"], ["tasks.id"], name=op.f("fk_attestations_task")),
        sa.ForeignKeyConstraint(["world"], ["lab.world"], name=op.f("fk_attestations_world")),
        sa.UniqueConstraint("n", name=op.f("uq_attestations_n")),
    )
    op.create_table(
        "portions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("sample", sa.String(), nullable=False),
        sa.Column("recipe", sa.String(), nullable=True),
        sa.Column("elements", sa.String(), nullable=False),
        sa.Column("made_mg", sa.Double(), nullable=False),
        sa.Column("made_s", sa.Double(), nullable=False),
        sa.Column("mass_mg", sa.Double(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("fate", sa.String(), nullable=True),
        sa.Column("why", sa.String(), nullable=True),
        sa.Column("firings", sa.Integer(), nullable=False),
        sa.Column("hottest_degc", sa.Double(), nullable=True),
        sa.Column("world", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_portions_actor_named")),
        sa.CheckConstraint(
            "fate IS NULL OR fate IN ('used', 'waste', 'lost', 'divided')", name=op.f("ck_portions_fate_known")
        ),
        sa.CheckConstraint("outcome IN ('free', 'stuck', 'melted', 'spilled')", name=op.f("ck_portions_outcome_known")),
        sa.CheckConstraint("made_mg > 0", name=op.f("ck_portions_made_of_something")),
        sa.CheckConstraint("mass_mg IS NULL OR mass_mg >= 0", name=op.f("ck_portions_mass_not_negative")),
        sa.ForeignKeyConstraint(["id"], ["items.id"], name=op.f("fk_portions_id")),
        sa.ForeignKeyConstraint(["sample"], ["portions.id"], name=op.f("fk_portions_sample")),
        sa.ForeignKeyConstraint(["world"], ["lab.world"], name=op.f("fk_portions_world")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_portions")),
    )
    op.create_index(op.f("ix_portions_sample"), "portions", ["sample"], unique=False)
    op.create_table(
        "stock_moves",
        sa.Column("stock", sa.String(), nullable=False),
        sa.Column("change", sa.Double(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("portion", sa.String(), nullable=True),
        sa.Column("task", sa.String(), nullable=True),
        sa.Column("world", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_stock_moves_actor_named")),
        sa.ForeignKeyConstraint(["stock"], ["stocks.id"], name=op.f("fk_stock_moves_stock")),
        sa.ForeignKeyConstraint(["world"], ["lab.world"], name=op.f("fk_stock_moves_world")),
        sa.UniqueConstraint("n", name=op.f("uq_stock_moves_n")),
    )
    op.create_index(op.f("ix_stock_moves_stock"), "stock_moves", ["stock"], unique=False)
    op.create_table(
        "task_items",
        sa.Column("task", sa.String(), nullable=False),
        sa.Column("item", sa.String(), nullable=False),
        sa.Column("world", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_task_items_actor_named")),
        sa.ForeignKeyConstraint(["item"], ["items.id"], name=op.f("fk_task_items_item")),
        sa.ForeignKeyConstraint(["task"], ["tasks.id"], name=op.f("fk_task_items_task")),
        sa.ForeignKeyConstraint(["world"], ["lab.world"], name=op.f("fk_task_items_world")),
        sa.PrimaryKeyConstraint("task", "item", name=op.f("pk_task_items")),
    )
    op.create_index(op.f("ix_task_items_item"), "task_items", ["item"], unique=False)
    op.create_table(
        "wares",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("sort", sa.String(), nullable=False),
        sa.Column("material", sa.String(), nullable=False),
        sa.Column("lid", sa.Boolean(), nullable=False),
        sa.Column("carry_over", sa.String(), nullable=False),
        sa.Column("max_degc", sa.Double(), nullable=True),
        sa.Column("max_uses", sa.Integer(), nullable=True),
        sa.Column("tare_mg", sa.Double(), nullable=True),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("hottest_degc", sa.Double(), nullable=True),
        sa.Column("last_elements", sa.String(), nullable=True),
        sa.Column("retired", sa.String(), nullable=True),
        sa.Column("world", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_wares_actor_named")),
        sa.CheckConstraint(
            "carry_over IN ('none', 'traces', 'always', 'dedicated')", name=op.f("ck_wares_carry_over_known")
        ),
        sa.CheckConstraint(
            "sort IN ('crucible', 'vial', 'holder', 'jar', 'media', 'sieve', 'tool')", name=op.f("ck_wares_sort_known")
        ),
        sa.CheckConstraint("tare_mg IS NULL OR tare_mg >= 0", name=op.f("ck_wares_tare_not_negative")),
        sa.CheckConstraint("uses >= 0", name=op.f("ck_wares_uses_counted")),
        sa.ForeignKeyConstraint(["id"], ["items.id"], name=op.f("fk_wares_id")),
        sa.ForeignKeyConstraint(["world"], ["lab.world"], name=op.f("fk_wares_world")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wares")),
    )
    op.create_table(
        "lineage",
        sa.Column("parent", sa.String(), nullable=False),
        sa.Column("child", sa.String(), nullable=False),
        sa.Column("mass_mg", sa.Double(), nullable=False),
        sa.Column("world", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_lineage_actor_named")),
        sa.CheckConstraint("parent <> child", name=op.f("ck_lineage_not_its_own")),
        sa.ForeignKeyConstraint(["child"], ["portions.id"], name=op.f("fk_lineage_child")),
        sa.ForeignKeyConstraint(["parent"], ["portions.id"], name=op.f("fk_lineage_parent")),
        sa.ForeignKeyConstraint(["world"], ["lab.world"], name=op.f("fk_lineage_world")),
        sa.PrimaryKeyConstraint("parent", "child", name=op.f("pk_lineage")),
    )
    op.create_index(op.f("ix_lineage_child"), "lineage", ["child"], unique=False)
    op.create_table(
        "outcomes",
        sa.Column("portion", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("world", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_outcomes_actor_named")),
        sa.CheckConstraint("outcome IN ('free', 'stuck', 'melted', 'spilled')", name=op.f("ck_outcomes_outcome_known")),
        sa.ForeignKeyConstraint(["portion"], ["portions.id"], name=op.f("fk_outcomes_portion")),
        sa.ForeignKeyConstraint(["world"], ["lab.world"], name=op.f("fk_outcomes_world")),
        sa.UniqueConstraint("n", name=op.f("uq_outcomes_n")),
    )
    op.create_index(op.f("ix_outcomes_portion"), "outcomes", ["portion"], unique=False)
    op.create_table(
        "weighings",
        sa.Column("portion", sa.String(), nullable=False),
        sa.Column("gross_mg", sa.Double(), nullable=False),
        sa.Column("tare_mg", sa.Double(), nullable=False),
        sa.Column("mass_mg", sa.Double(), nullable=False),
        sa.Column("moment", sa.String(), nullable=False),
        sa.Column("world", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.CheckConstraint("actor <> ''", name=op.f("ck_weighings_actor_named")),
        sa.CheckConstraint(
            "moment IN ('before-firing', 'after-firing', 'other')", name=op.f("ck_weighings_moment_known")
        ),
        sa.CheckConstraint("mass_mg >= 0 AND gross_mg >= 0 AND tare_mg >= 0", name=op.f("ck_weighings_not_negative")),
        sa.ForeignKeyConstraint(["portion"], ["portions.id"], name=op.f("fk_weighings_portion")),
        sa.ForeignKeyConstraint(["world"], ["lab.world"], name=op.f("fk_weighings_world")),
        sa.UniqueConstraint("n", name=op.f("uq_weighings_n")),
    )
    op.create_index(op.f("ix_weighings_portion"), "weighings", ["portion"], unique=False)
