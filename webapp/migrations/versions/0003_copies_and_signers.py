"""Copies of cases, and tasks of added signers."""

import sqlalchemy as sa
from alembic import op

from engine.schema import Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "copy",
        sa.Column("root_id", sa.String(40), nullable=False),
        sa.Column("person_id", sa.String(40), nullable=False),
        sa.Column("instance_id", sa.String(40), nullable=False),
        sa.Column("task_id", sa.String(40)),
        sa.Column("by_id", sa.String(40)),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("read_at", Moment()),
        sa.PrimaryKeyConstraint("root_id", "person_id", name="pk_copy"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_copy_person_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_copy_person", "copy", ["person_id", "at"])
    op.add_column("task", sa.Column("parent_id", sa.String(40)))
    op.add_column("task", sa.Column("added", sa.String(8)))
    op.add_column("task", sa.Column("turn", sa.Integer()))
    op.create_index("ix_task_parent_id", "task", ["parent_id"])


def downgrade() -> None:
    op.drop_index("ix_task_parent_id", table_name="task")
    op.drop_column("task", "turn")
    op.drop_column("task", "added")
    op.drop_column("task", "parent_id")
    op.drop_index("ix_copy_person", table_name="copy")
    op.drop_table("copy")
