"""Headings of statements and the names of what they tell, in the languages of the pages. A test holds them against each other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    sheet: str
    opening: str
    closing: str
    headings: tuple[str, str, str, str, str, str, str, str, str, str, str, str]
    kinds: dict[str, str]


ENGLISH = Words(
    sheet="Statement",
    opening="Opening balance",
    closing="Closing balance",
    headings=(
        "Day", "Time", "Entry", "What", "Tracker", "Tracker ID", "Tariff", "Price per month", "Amount", "Balance", "Note",
        "Corrects entry",
    ),
    kinds={
        "topup": "Top-up",
        "bonus": "Bonus",
        "connection": "Connection",
        "daily": "Daily charge",
        "sms": "SMS",
        "sms_returned": "SMS, given back",
        "reversal": "Correction",
        "refund_requested": "Set aside for a refund",
        "refund_returned": "Refund not made",
        "dispute": "Payment disputed",
        "dispute_won": "Dispute settled",
    },
)  # fmt: skip
RUSSIAN = Words(
    sheet="Выписка",
    opening="Входящий остаток",
    closing="Исходящий остаток",
    headings=(
        "День", "Время", "Запись", "Операция", "Трекер", "ID трекера", "Тариф", "Цена в месяц", "Сумма", "Остаток", "Примечание",
        "Исправляет запись",
    ),
    kinds={
        "topup": "Пополнение",
        "bonus": "Бонус",
        "connection": "Подключение",
        "daily": "Суточная плата",
        "sms": "SMS",
        "sms_returned": "SMS, возврат",
        "reversal": "Исправление",
        "refund_requested": "Отложено для возврата",
        "refund_returned": "Возврат не состоялся",
        "dispute": "Платёж оспорен",
        "dispute_won": "Спор завершён",
    },
)  # fmt: skip
KAZAKH = Words(
    sheet="Үзінді",
    opening="Кіріс қалдығы",
    closing="Шығыс қалдығы",
    headings=(
        "Күн", "Уақыт", "Жазба", "Операция", "Трекер", "Трекер ID", "Тариф", "Айлық баға", "Сома", "Қалдық", "Ескертпе",
        "Түзететін жазба",
    ),
    kinds={
        "topup": "Толтыру",
        "bonus": "Бонус",
        "connection": "Қосылу",
        "daily": "Тәуліктік төлем",
        "sms": "SMS",
        "sms_returned": "SMS, қайтарылды",
        "reversal": "Түзету",
        "refund_requested": "Қайтаруға бөлінді",
        "refund_returned": "Қайтару болмады",
        "dispute": "Төлем дауланды",
        "dispute_won": "Дау шешілді",
    },
)  # fmt: skip
WORDS = {"en": ENGLISH, "ru": RUSSIAN, "kk": KAZAKH}
