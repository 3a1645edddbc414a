"""Names, birthdays and addresses of people who do not exist."""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Each name as it is written, and as it sounds in Latin letters."""
    return tuple((written, sound) for written, _, sound in (pair.partition(":") for pair in text.split()))


SURNAMES = _pairs(
    "王:Wang 李:Li 张:Zhang 刘:Liu 陈:Chen 杨:Yang 赵:Zhao 黄:Huang 周:Zhou 吴:Wu 徐:Xu "
    "孙:Sun 马:Ma 朱:Zhu 胡:Hu 林:Lin 郭:Guo 何:He 高:Gao 罗:Luo 欧阳:Ouyang 司徒:Situ"
)
GIVEN = {
    "female": _pairs(
        "秀英:Xiuying 丽华:Lihua 静怡:Jingyi 雨桐:Yutong 梦琪:Mengqi 晓燕:Xiaoyan "
        "桂兰:Guilan 思涵:Sihan 佳宁:Jianing 雪梅:Xuemei 婷:Ting 若兰:Ruolan"
    ),
    "male": _pairs(
        "建国:Jianguo 志强:Zhiqiang 浩然:Haoran 子轩:Zixuan 伟:Wei 俊杰:Junjie "
        "国栋:Guodong 明远:Mingyuan 宇航:Yuhang 德福:Defu 磊:Lei 文博:Wenbo"
    ),
}
ENGLISH_GIVEN = {
    "female": ("Margaret", "Olivia", "Hannah", "Grace", "Eleanor", "Sophie", "Ruth", "Amelia"),
    "male": ("Thomas", "Oliver", "Samuel", "George", "Henry", "Daniel", "Peter", "Edward"),
}
ENGLISH_SURNAMES = ("Fletcher", "Hughes", "Marsh", "O'Connor", "Whitfield", "Okafor", "Larsson", "Nair")
STREETS = ("杏林路", "春晖街", "青松巷", "学府路", "滨江大道", "和平里", "槐安东路", "长乐街")
CITIES = ("云溪市", "青石市")


@dataclass(frozen=True)
class Human:
    """sex: FHIR's administrative gender. names: FHIR HumanNames, the official one first."""

    sex: str
    born: date
    names: tuple[dict[str, Any], ...]
    language: str
    address: dict[str, Any]
    phone: str

    @property
    def text(self) -> str:
        return str(self.names[0]["text"])

    def months(self, day: date) -> int:
        """Completed months of age on that day."""
        return (day.year - self.born.year) * 12 + day.month - self.born.month - (day.day < self.born.day)

    def years(self, day: date) -> int:
        return self.months(day) // 12


def draw_human(rng: Random, *, sex: str, born: date, city: int) -> Human:
    """One person; about one in six has an English name."""
    town = CITIES[city]
    street, number = rng.choice(STREETS), rng.randint(1, 380)
    address = {
        "use": "home",
        "text": f"{town}{street}{number}号",
        "line": [f"{street}{number}号"],
        "city": town,
        "postalCode": f"{rng.randint(310000, 329999)}",
        "country": "CN",
    }
    names: tuple[dict[str, Any], ...]
    if rng.random() < 0.17:
        family, given = rng.choice(ENGLISH_SURNAMES), rng.choice(ENGLISH_GIVEN[sex])
        names = ({"use": "official", "text": f"{given} {family}", "family": family, "given": [given]},)
        language = "en"
    else:
        (family, family_sound), (given, given_sound) = rng.choice(SURNAMES), rng.choice(GIVEN[sex])
        sounds = f"{given_sound} {family_sound}"
        names = (
            {"use": "official", "text": family + given, "family": family, "given": [given]},
            {"use": "usual", "text": sounds, "family": family_sound, "given": [given_sound]},
        )
        language = "zh-CN"
    phone = f"1{rng.choice('35789')}{rng.randint(0, 9)}-0000-{rng.randint(0, 9999):04d}"
    return Human(sex, born, names, language, address, phone)


def draw_birthday(rng: Random, *, until: date, youngest: int, oldest: int) -> date:
    """A birthday that makes somebody between `youngest` and `oldest` years old on `until`."""
    days = rng.randint(youngest * 365 + youngest // 4 + 1, oldest * 365 + oldest // 4)
    return until - timedelta(days=days)
