"""What processes share: one value for each data store that is drawn."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "data_store",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("value", sa.JSON(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("instance_id", sa.String(40), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_data_store"),
    )


def downgrade() -> None:
    op.drop_table("data_store")
